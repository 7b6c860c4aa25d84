import { spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** What a command of the CLI printed, both streams, and how it ended. */
export interface Ran {
  readonly exitCode: number;
  readonly output: string;
  readonly seconds: number;
}

/** Runs the CLI as a script would, without a terminal. `show` passes on what it prints. */
export function farweave(args: readonly string[], { show = false } = {}): Promise<Ran> {
  const started = Date.now();
  const child = spawn(join(root, 'bin/farweave'), args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (show) process.stdout.write(chunk);
    });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ exitCode: code ?? 1, output, seconds: (Date.now() - started) / 1000 }));
  });
}
