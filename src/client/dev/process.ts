import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';

/** A process that we started, told apart from a later one with the same id by when it began. */
export const Process = z.object({ pid: z.number().int().positive(), began: z.string() });
export type Process = z.infer<typeof Process>;

const LOG_LIMIT = 10 * 1024 * 1024;

/** Starts a program that outlives this one, with both streams appended to a log. Rejects if it cannot be started at all. */
export async function startDetached(
  command: string,
  args: readonly string[],
  { log, env, cwd }: { log: string; env: Readonly<Record<string, string | undefined>>; cwd: string },
): Promise<Process> {
  rotate(log);
  const out = openSync(log, 'a', 0o600);
  try {
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', out, out] });
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
    const pid = child.pid!;
    return { pid, began: beganAt(pid) ?? 'ended at once' };
  } finally {
    closeSync(out);
  }
}

/** This process, to be known by to others. */
export function thisProcess(): Process {
  return { pid: process.pid, began: beganAt(process.pid) ?? '' };
}

/** Whether it is that very process, and neither gone nor a zombie. */
export function isAlive(process: Process | undefined): boolean {
  return process !== undefined && beganAt(process.pid) === process.began;
}

/** Asks a process that we started to end, and ends it after `grace` milliseconds. Says whether it went by itself. */
export async function end(process: Process, grace: number): Promise<boolean> {
  if (!isAlive(process)) return true;
  signal(process, 'SIGTERM');
  for (const deadline = Date.now() + grace; Date.now() < deadline; ) {
    if (!isAlive(process)) return true;
    await sleep(50);
  }
  signal(process, 'SIGKILL');
  for (const deadline = Date.now() + 5_000; isAlive(process) && Date.now() < deadline; ) await sleep(20);
  return false;
}

function signal({ pid }: Process, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended in between: what we wanted.
  }
}

/** When a running process began, as a text to compare; undefined if there is none or it is a zombie. */
function beganAt(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // After the name, which stands in parentheses and may hold anything: state first, start time 19 fields on.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
    }
    const answer = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    const [state = '', ...start] = answer.split(/\s+/);
    return state === '' || state.startsWith('Z') ? undefined : start.join(' ');
  } catch {
    return undefined;
  }
}

/** Logs of background processes must not fill a disk: one old log is kept. */
function rotate(log: string): void {
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT) renameSync(log, `${log}.1`);
}
