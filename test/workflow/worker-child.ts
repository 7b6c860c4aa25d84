import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { vaultFolder } from './drive.ts';
import type { Machines } from './machines.ts';

/** A worker as a process of its own, which a test may kill. Resolves when it is about to take work. */
export async function inOtherProcess(
  machines: Machines,
  taskQueue: string,
  address = inject('address'),
): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('worker-process.ts', import.meta.url));
  const args = [program, address, taskQueue, inject('bundlePath'), machines.folder, vaultFolder];
  const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((ready, failed) => {
    started.stdout.once('data', () => ready());
    started.once('exit', (code) => failed(new Error(`the worker ended with ${code}`)));
  });
  return started;
}

/** Ends it as told, and waits until it is gone. */
export async function endOf(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
