import { appendFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '../../src/client/index.ts';
import { planQuery, progressQuery, rolloutId } from '../../src/workflows/contract.ts';
import type { Ran } from '../lab/farweave.ts';
import type { Audited } from './audit.ts';
import { type Change, change, type Grounds, onCluster, running, slow } from './grounds.ts';
import { type Moment, Pace } from './pace.ts';

/** A rollout under way, with a terminal that follows it. */
export interface UnderWay {
  readonly revision: number;
  readonly pace: Pace;
  /** The terminal's end: the rollout has ended, or waits for somebody to decide. */
  readonly ended: Promise<Ran>;
  readonly isOver: () => boolean;
}

interface Policy extends Change {
  /** How long the slow step takes. */
  readonly seconds?: number;
}

/** What every wait of a row is bounded by, in milliseconds. */
const PATIENCE = 240_000;
/** What an apt-get made slow makes slow. */
const SLOW_STEP = 'system.prerequisites';

/** What a row acts with: it changes the cluster, has it rolled out, does harm, and tells what it wanted and saw. */
export class Scene {
  readonly grounds: Grounds;
  /** From 0 to 1, the same in every run of the same seed. */
  readonly random: () => number;
  readonly notes: string[] = [];
  readonly progress: number[] = [];
  faults = 0;
  isRight = true;
  isRun = true;
  readonly #base: string;
  readonly #log: string;
  readonly #undoing: (() => Promise<unknown>)[] = [];
  #nth: number;
  #over = false;

  constructor(
    grounds: Grounds,
    { base, nth, random, log }: { base: string; nth: number; random: () => number; log: string },
  ) {
    this.grounds = grounds;
    this.random = random;
    this.#base = base;
    this.#nth = nth;
    this.#log = log;
  }

  /** Changes the cluster file so that every host has something to do, for `seconds` at least, and rolls it out. */
  async changing(policy: Policy = {}): Promise<UnderWay> {
    await this.prepare(policy);
    return await this.apply();
  }

  /** The first half of it. */
  async prepare({ seconds = 20, ...policy }: Policy = {}): Promise<void> {
    await change(this.grounds, this.#base, ++this.#nth, policy);
    await slow(this.grounds.hosts, seconds);
  }

  /** Rolls the cluster file out as it stands. */
  async apply(): Promise<UnderWay> {
    const before = await this.revision();
    const ended = this.#apply();
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    void ended.then(over, over);
    for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(200)) {
      const revision = await this.revision().catch(() => before);
      if (revision > before) {
        const pace = new Pace(this.grounds.client, rolloutId(this.grounds.cluster, revision));
        this.afterwards(async () => pace.stop());
        return { revision, pace, ended, isOver: () => isOver };
      }
      if (isOver) break;
    }
    throw new Error(`No rollout begins: ${isOver ? (await ended).output.slice(-600) : 'nothing was seen of one'}`);
  }

  /** A command of the CLI, with what it prints kept in the row's folder. */
  async farweave(...args: readonly string[]): Promise<Ran> {
    const ran = await this.within(onCluster(this.grounds, ...args), PATIENCE * 2, `farweave ${args.join(' ')}`);
    await this.log(
      `$ farweave ${args.join(' ')}\n${ran.output}[exit code ${ran.exitCode}, ${ran.seconds.toFixed(1)} s]`,
    );
    return ran;
  }

  /** Waits until the slow step has been heard of on all hosts, or on one where they go one after another. */
  async untilSlow({ pace }: UnderWay, where: 'all' | 'one' = 'all'): Promise<void> {
    const isHeard = (host: string) => pace.moments.some(({ what }) => what === `${host}/${SLOW_STEP} writes its log`);
    const { hosts } = this.grounds;
    await this.until(
      () => (where === 'all' ? hosts.every(isHeard) : hosts.some(isHeard)),
      `the slow step runs on ${where} of ${hosts.join(', ')}`,
    );
  }

  /** The rollout's end, or where it waits for a decision; what it printed is kept. */
  async end({ ended }: UnderWay): Promise<Ran> {
    return await this.within(ended, PATIENCE * 3, 'the rollout comes to its end');
  }

  /** Notes a fault that has been done, and how long it takes from then on to the first progress. */
  async fault({ pace }: Pick<UnderWay, 'pace'>, at: number, host?: string): Promise<Moment | undefined> {
    this.faults++;
    const moment = await pace.after(at, { limit: PATIENCE, host });
    if (!moment) return undefined;
    this.progress.push(Math.max(0, moment.at - at) / 1000);
    await this.log(`first progress after ${((moment.at - at) / 1000).toFixed(1)} s: ${moment.what}`);
    return moment;
  }

  /** A background process other than the one that was killed, once it is at work. */
  async another(which: 'worker' | 'server', than: number): Promise<number> {
    const other = () => {
      const pid = running(this.grounds)[which];
      return pid === than ? undefined : pid;
    };
    await this.until(() => other() !== undefined || this.#over, `another ${which} is up`);
    return Date.now();
  }

  /** Notes what was wanted, and what was seen instead. */
  wants(holds: boolean, wanted: string, seen: string): void {
    if (holds) return;
    this.isRight = false;
    this.notes.push(`wanted: ${wanted}; seen: ${seen.trim().split('\n').slice(-12).join(' | ').slice(-900)}`);
  }

  /** What is asked for is not there to be checked. */
  lacks(what: string): void {
    this.isRun = false;
    this.notes.push(what);
  }

  /** Done when the row is over, however it ends; the last first. */
  afterwards(undo: () => Promise<unknown>): void {
    this.#undoing.push(undo);
  }

  /** Leaves the lab healthy for the next row. */
  async clear(): Promise<void> {
    this.#over = true;
    for (const undo of this.#undoing.toReversed())
      await undo().catch((error: unknown) => this.wants(false, 'a lab that is healthy again', String(error)));
    await slow(this.grounds.hosts, 0);
  }

  async until(holds: () => boolean | Promise<boolean>, what: string, limit = PATIENCE): Promise<void> {
    for (const end = Date.now() + limit; !(await holds()); await sleep(100))
      if (Date.now() > end) throw new Error(`Waited ${limit / 1000} s in vain until ${what}`);
  }

  async within<T>(work: Promise<T>, limit: number, what: string): Promise<T> {
    const late = new AbortController();
    const overdue = sleep(limit, undefined, { signal: late.signal }).then(() => {
      throw new Error(`Waited ${limit / 1000} s in vain until ${what}`);
    });
    overdue.catch(() => undefined);
    return await Promise.race([work, overdue]).finally(() => late.abort());
  }

  async log(text: string): Promise<void> {
    await appendFile(this.#log, `${new Date().toISOString()} ${text}\n`);
  }

  /** Of the rollout that runs or ran last; 0 where there was none. */
  async revision(): Promise<number> {
    const state = await status(
      { client: await this.grounds.client() } as Parameters<typeof status>[0],
      this.grounds.cluster,
    );
    return Math.max(state?.rollout?.revision ?? 0, state?.last?.revision ?? 0);
  }

  /** Workflow ids of the rollouts that came after a revision. */
  async rolloutIdsSince(revision: number): Promise<readonly string[]> {
    const last = await this.revision();
    return Array.from({ length: last - revision }, (_, n) => rolloutId(this.grounds.cluster, revision + n + 1));
  }

  /** The rollouts that came after a revision, as the audit wants them. */
  async rolloutsSince(revision: number): Promise<readonly Audited[]> {
    const client = await this.grounds.client();
    return await Promise.all(
      (await this.rolloutIdsSince(revision)).map(async (workflowId) => {
        const handle = client.workflow.getHandle(workflowId);
        const [{ runId }, plan, { steps }] = await Promise.all([
          handle.describe(),
          handle.query(planQuery),
          handle.query(progressQuery),
        ]);
        return { runId, plan, steps };
      }),
    );
  }

  async #apply(): Promise<Ran> {
    const ran = await onCluster(this.grounds, 'apply', '--yes');
    await this.log(`$ farweave apply --yes\n${ran.output}[exit code ${ran.exitCode}, ${ran.seconds.toFixed(1)} s]`);
    return ran;
  }
}
