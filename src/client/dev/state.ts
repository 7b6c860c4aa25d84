import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { Failure } from '../errors.ts';
import { isAlive, Process, thisProcess } from './process.ts';

/** What the CLI must remember to find the embedded server and its worker again. */
export const DevState = z.object({
  server: Process.extend({ port: z.number(), uiPort: z.number(), httpPort: z.number() }).optional(),
  worker: Process.extend({ digest: z.string(), server: z.string() }).optional(),
  /** Kept when the server is down, so that bookmarks of the Web UI stay true. */
  ports: z.object({ port: z.number(), uiPort: z.number(), httpPort: z.number() }).optional(),
});
export type DevState = z.infer<typeof DevState>;

export interface Place {
  /** As given on the command line. */
  readonly option?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of the cluster file: a `.farweave` in it is a choice too. */
  readonly beside?: string;
}

/** The state folder: `--state`, `$FARWEAVE_STATE`, `.farweave` beside the cluster file if there is one, or the user's. */
export function stateFolder({ option, env, beside }: Place): string {
  if (option) return resolve(option);
  if (env['FARWEAVE_STATE']) return resolve(env['FARWEAVE_STATE']);
  const own = beside && join(beside, '.farweave');
  if (own && statSync(own, { throwIfNoEntry: false })?.isDirectory()) return own;
  return join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'farweave');
}

/** Files of the embedded server, all in one folder. */
export function devFiles(state: string) {
  const folder = join(state, 'dev');
  return {
    folder,
    record: join(folder, 'dev.json'),
    lock: join(folder, 'lock'),
    data: join(folder, 'temporal.db'),
    /** A link to the ssh agent of whoever used this machine last. */
    agent: join(folder, 'agent'),
    log: { server: join(folder, 'server.log'), worker: join(folder, 'worker.log') },
  };
}

/** What was recorded, or nothing: a torn or older record is as good as none, since processes are checked before use. */
export function readDevState(state: string): DevState {
  try {
    return DevState.parse(JSON.parse(readFileSync(devFiles(state).record, 'utf8')));
  } catch {
    return {};
  }
}

/** Replaces the record whole. */
export function writeDevState(state: string, value: DevState): void {
  const { folder, record } = devFiles(state);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(`${record}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${record}.new`, record);
}

/** The worker lives longer than the terminal that started it: it goes by the ssh agent of the latest command. */
export function lendAgent(state: string, socket: string | undefined): void {
  const { folder, agent } = devFiles(state);
  if (!socket || linkOf(agent) === socket) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const next = `${agent}.${process.pid}`;
  rmSync(next, { force: true });
  symlinkSync(socket, next);
  renameSync(next, agent);
}

function linkOf(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined;
}

/** Only one command at a time starts or ends background processes. Waits two minutes at most. */
export async function locked<T>(state: string, work: () => Promise<T>): Promise<T> {
  const { folder, lock } = devFiles(state);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await acquire(lock);
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

async function acquire(lock: string): Promise<void> {
  for (const deadline = Date.now() + 120_000; ; await sleep(100)) {
    try {
      mkdirSync(lock);
      writeFileSync(join(lock, 'owner'), JSON.stringify(thisProcess()));
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (isAbandoned(lock)) rmSync(lock, { recursive: true, force: true });
    else if (Date.now() > deadline)
      throw new Failure('Another farweave command is busy with the embedded server.', {
        hint: `If none runs, remove ${lock} and try again.`,
        exitCode: 3,
      });
  }
}

function isAbandoned(lock: string): boolean {
  try {
    return !isAlive(Process.parse(JSON.parse(readFileSync(join(lock, 'owner'), 'utf8'))));
  } catch {
    // Just being written, or just gone. A holder that died in that very moment is met by the hint above.
    return false;
  }
}
