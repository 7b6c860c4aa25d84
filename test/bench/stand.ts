import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { end, type Process } from '../../src/client/dev/process.ts';
import { addressOf, lastLines, startServer } from '../../src/client/dev/server.ts';
import { workerEnv, workerProgram } from '../../src/client/dev/worker.ts';
import { connect, type Farweave } from '../../src/client/index.ts';

/** Temporal's development server and workers as `farweave dev` runs them, each a process of its own. */
export interface Stand {
  readonly farweave: Farweave;
  /** Where the Web UI shows what is rolled out. */
  readonly ui: string;
  /** The process id of the server. */
  readonly server: number;
  /** Process ids of the workers that run. */
  readonly workers: readonly number[];
  /** When each worker was about to take work, by its process id: microseconds of the machine's own clock. */
  readonly ready: ReadonlyMap<number, number>;
  /** Ends the workers and starts so many, without a connection to any host. */
  anew(count?: number): Promise<void>;
  close(): Promise<void>;
}

/** With one worker, and nothing remembered of earlier runs. Workers leave profiles in `profiles`, where that is given. */
export async function openStand(folder: string, say: (line: string) => void, profiles?: string): Promise<Stand> {
  for (const left of [folder, ...(profiles ? [profiles] : [])]) rmSync(left, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const around = { env: process.env, progress: say };
  const server = await startServer(folder, undefined, around);
  const address = addressOf(server);
  const workers: ChildProcess[] = [];
  const ready = new Map<number, number>();
  const stop = async () => {
    const running = workers.splice(0).filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    for (const worker of running) worker.kill('SIGTERM');
    await Promise.all(running.map((worker) => once(worker, 'exit')));
  };
  const flags = profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : [];
  const start = async (n: number) => {
    const log = join(folder, `worker-${n}.log`);
    const out = openSync(log, 'w');
    const env = { ...workerEnv(folder, { address, namespace: 'default' }, process.env) };
    const worker = spawn(process.execPath, [...flags, workerProgram], {
      env,
      cwd: folder,
      stdio: ['ignore', out, out],
    });
    workers.push(worker);
    while (!readFileSync(log, 'utf8').includes('RUNNING')) {
      if (worker.exitCode !== null) throw new Error(`A worker does not start:\n${lastLines(log, 15).join('\n')}`);
      await sleep(50);
    }
    ready.set(worker.pid!, Number(process.hrtime.bigint() / 1_000n));
  };
  const anew = async (count = 1) => {
    await stop();
    // The first one alone makes the key of the vault and the search attributes.
    await start(0);
    await Promise.all(Array.from({ length: count - 1 }, (_, n) => start(n + 1)));
  };
  await anew();
  const farweave = await connect({ address, state: folder });
  return {
    farweave,
    ui: `http://127.0.0.1:${server.uiPort}`,
    server: server.pid,
    get workers() {
      return workers.flatMap(({ pid }) => pid ?? []);
    },
    ready,
    anew,
    close: async () => {
      await farweave.close();
      await stop();
      await end(server satisfies Process, 10_000);
    },
  };
}
