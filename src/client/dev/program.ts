import { spawn } from 'node:child_process';

/** How a program ended. `error` says why there is no exit code of its own. */
export interface Finished {
  readonly exitCode: number | undefined;
  readonly lastLine: string | undefined;
  readonly error?: string;
}

export interface Limits {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly progress: (line: string) => void;
  /** Milliseconds without output or growth after which it is ended. */
  readonly quiet: number;
  /** Milliseconds after which it is ended in any case. */
  readonly most: number;
  /** Bytes that it has brought so far. */
  readonly measure: () => number;
}

/** Runs a program to its end, within limits, telling of its progress every two seconds. Never rejects. */
export async function finish(command: string, args: readonly string[], limits: Limits): Promise<Finished> {
  const began = Date.now();
  const child = spawn(command, args, { env: limits.env, stdio: ['ignore', 'pipe', 'pipe'] });
  let lastLine: string | undefined;
  let alive = began;
  let size = 0;
  let error: string | undefined;
  const heard = (chunk: Buffer) => {
    alive = Date.now();
    lastLine = chunk.toString().trimEnd().split('\n').at(-1)?.trim() || lastLine;
  };
  child.stdout.on('data', heard);
  child.stderr.on('data', heard);
  const timer = setInterval(() => {
    const now = Date.now();
    const measured = limits.measure();
    if (measured > size) alive = now;
    size = measured;
    const seconds = Math.round((now - began) / 1_000);
    limits.progress(`${seconds} s, ${Math.round(size / 1e6)} MB ${lastLine ?? ''}`.trim());
    if (now - alive > limits.quiet) error = `nothing came for ${limits.quiet / 1_000} seconds`;
    if (now - began > limits.most) error = `not done after ${limits.most / 1_000} seconds`;
    if (error) child.kill('SIGKILL');
  }, 1_500);
  const exitCode = await new Promise<number | undefined>((resolve) => {
    child.once('error', (cause) => {
      error = cause.message;
      resolve(undefined);
    });
    child.once('close', (code) => resolve(code ?? undefined));
  });
  clearInterval(timer);
  return { exitCode, lastLine, ...(error !== undefined && { error }) };
}
