import type { Ledger, Problem } from './contract.ts';

/** Type of the problem of a host that somebody has left out. */
export const SKIPPED = 'Skipped';

/** A host that shows one of these is left out while the others go on: nothing that is done elsewhere can help it. */
export const PARKING = new Set(['Unreachable', 'HostKeyChanged', 'BastionKeyChanged']);
/** And at one of these nobody goes on: it is this whole rollout that should not be. */
export const STOPPING = new Set(['Owned']);

/** Who takes part in a rollout, or in one site of it, and what keeps the others from it. */
export class Attendance {
  /** Why nothing new begins. */
  stopped: string | undefined;
  /** Another site has failed: finish what runs. Says nothing about this one. */
  halted = false;
  /** Hosts that take no part any more. */
  readonly parked: Set<string>;
  /** Those of them that somebody has left out: they count for no budget. */
  readonly skipped = new Set<string>();
  readonly problems: Problem[];
  /** What stays on hosts that were to be left as they were found, a line each. */
  readonly left: string[] = [];

  constructor({ parked, problems }: Pick<Ledger, 'parked' | 'problems'>) {
    this.parked = new Set(parked);
    this.problems = [...problems];
  }

  /** Whether nothing speaks against another step on this host. */
  goes(host: string): boolean {
    return !this.halted && this.stopped === undefined && !this.parked.has(host);
  }

  /** Parked, and not because somebody wanted it so. */
  get lost(): readonly string[] {
    return [...this.parked].filter((host) => !this.skipped.has(host));
  }

  /** What stands in the way: failures on hosts that still take part. */
  get failing(): readonly Problem[] {
    return this.problems.filter(({ host }) => !this.parked.has(host));
  }

  /** Somebody leaves a host out. What has failed on it stops nobody any more. */
  skip(host: string, why: string): void {
    this.parked.add(host);
    this.skipped.add(host);
    this.problems.push({ host, type: SKIPPED, message: `${host} is left out${why}` });
  }

  /** These hosts take part again, and their problems are forgotten. Gives those that had not taken part. */
  protected takeBack(isMeant: (host: string) => boolean): ReadonlySet<string> {
    const back = new Set([...this.parked].filter(isMeant));
    for (const host of back) {
      this.parked.delete(host);
      this.skipped.delete(host);
    }
    const others = this.problems.filter(({ host }) => !isMeant(host));
    this.problems.splice(0, this.problems.length, ...others);
    this.stopped = undefined;
    this.halted = false;
    return back;
  }
}
