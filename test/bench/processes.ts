import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second, as Linux shows them to every program. */
const TICKS = 100;

/** How much memory a process has held at most, in MiB. */
export function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Seconds of processor time. */
export interface Spent {
  /** Of the processes asked about, in their order. */
  readonly each: readonly number[];
  /** Of the programs that this one has started and seen end. */
  readonly programs: number;
  /** Of everything else that the bench has made, which are its hosts. */
  readonly hosts: number;
}

/** What was spent while something was done. The namespace of the bench holds nothing but the bench. */
export async function spentOn<Result>(
  pids: readonly number[],
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly spent: Spent }> {
  const before = look(pids);
  const result = await work();
  const after = look(pids);
  return {
    result,
    spent: {
      each: after.each.map((seconds, n) => seconds - (before.each[n] ?? 0)),
      programs: after.programs - before.programs,
      hosts: after.hosts - before.hosts,
    },
  };
}

/** A process answers for those it has reaped, and each that is there for itself: nobody is counted twice. */
function look(pids: readonly number[]): Spent {
  const all = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [Number(name), timesOf(name)] as const),
  );
  const own = all.get(process.pid);
  const isHost = (pid: number) => pid !== process.pid && !pids.includes(pid);
  return {
    each: pids.map((pid) => (all.get(pid)?.own ?? 0) + (pid === process.pid ? 0 : (all.get(pid)?.reaped ?? 0))),
    programs: own?.reaped ?? 0,
    hosts: [...all].reduce((sum, [pid, times]) => sum + (isHost(pid) ? times.own + times.reaped : 0), 0),
  };
}

function timesOf(pid: string): { readonly own: number; readonly reaped: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the name, which may hold anything: the state first, the times 11 fields on.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [user = 0, system = 0, reapedUser = 0, reapedSystem = 0] = fields.slice(11, 15);
    return { own: (user + system) / TICKS, reaped: (reapedUser + reapedSystem) / TICKS };
  } catch {
    return { own: 0, reaped: 0 }; // it ended in between, and its parent answers for it
  }
}
