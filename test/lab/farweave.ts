import { spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** What a command of the CLI printed, and how it ended. */
export interface Ran {
  readonly exitCode: number;
  /** Both streams. */
  readonly output: string;
  readonly stdout: string;
  readonly seconds: number;
}

interface Options {
  /** Passes on what it prints. */
  readonly show?: boolean;
  /** Beside that of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the CLI as a script would, without a terminal. */
export const farweave = (args: readonly string[], options: Options = {}) =>
  run(join(root, 'bin/farweave'), args, options);

/** Runs a program in the checkout. */
export function run(program: string, args: readonly string[], { show = false, env = {} }: Options = {}): Promise<Ran> {
  const started = Date.now();
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (show) process.stdout.write(chunk);
    });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ exitCode: code ?? 1, output, stdout, seconds: (Date.now() - started) / 1000 }),
    );
  });
}
