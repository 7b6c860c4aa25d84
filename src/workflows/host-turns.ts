import { ActivityFailure, ApplicationFailure, condition, proxyActivities, sleep } from '@temporalio/workflow';
import type { Changing, PlanChange } from '../activities/contract.ts';
import { holderOf, refused } from './admission.ts';
import { type ClusterState, type HostRequest, told } from './contract.ts';
import type { Change } from './host-admission.ts';
import type { Memory } from './memory.ts';
import { reasonOf } from './requests.ts';
import type { Rollouts } from './rollouts.ts';

const { 'cluster.plan': plan } = proxyActivities<{ 'cluster.plan': PlanChange }>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '1 hour',
});

/** How long the first host that is to come waits for others. */
const TOGETHER = '2 seconds';

/** Carries out changes of hosts in the order in which people asked for them: one at a time, and those that only add together. */
export class HostTurns {
  readonly #name: string;
  readonly #memory: Memory;
  readonly #rollouts: Rollouts;
  /** Ids of those that are not planned together with others, since that was refused. */
  readonly #alone = new Set<string>();
  #isPlanning = false;

  constructor(name: string, memory: Memory, rollouts: Rollouts) {
    this.#name = name;
    this.#memory = memory;
    this.#rollouts = rollouts;
  }

  /** Something is being worked out that would be lost by continuing as new. */
  get isBusy(): boolean {
    return this.#isPlanning;
  }

  /** Carries out what waits, as soon as nothing else is under way. Never ends. */
  async take(): Promise<never> {
    for (;;) {
      await condition(() => this.#isTurn);
      const [first] = this.#next();
      // Whoever adds one host often adds another: together they cost one rollout.
      if (first && 'add' in first.change) await sleep(TOGETHER, { summary: 'more hosts may come' });
      if (!this.#isTurn) continue;
      this.#isPlanning = true;
      await this.#carryOut(this.#next()).finally(() => (this.#isPlanning = false));
    }
  }

  /**
   * Applies that wait go first, since they were made without these changes. A rollout that is stuck gives way to who takes
   * a host out, which may be the one that it is stuck on; to add one is no reason to end it.
   */
  get #isTurn(): boolean {
    const { state } = this.#memory;
    if (this.#rollouts.isBeginning || state.waiting || state.moved) return false;
    const [first] = this.#next();
    if (!first || (state.rollout?.stuck && 'add' in first.change)) return false;
    return holderOf(state, { plan: { purpose: 'apply' } }) === undefined;
  }

  /** The first that waits; with it, where it only adds, all others that do. */
  #next(): readonly HostRequest[] {
    const waiting = (this.#memory.state.requests ?? []).filter(({ state }) => state === 'waiting');
    const [first] = waiting;
    if (!first) return [];
    const joins = ({ change, id }: HostRequest) => 'add' in change && !this.#alone.has(id);
    return joins(first) ? waiting.filter(joins) : [first];
  }

  async #carryOut(batch: readonly HostRequest[]): Promise<void> {
    const set = (state: HostRequest['state'], said?: string) =>
      batch.forEach((request) => this.#memory.request({ ...request, state, ...(said !== undefined && { said }) }));
    set('planning');
    const how = { forced: batch.some((request) => request.forced), data: batch.some((request) => request.data) };
    const changes = batch.map(({ change }) => change);
    const planned = await plan(changing(this.#name, this.#memory.state, changes, how)).catch((error: unknown) =>
      reasonOf(whole(error)),
    );
    if (typeof planned === 'string') {
      for (const { id } of batch) this.#alone.add(id);
      if (batch.length > 1) return set('waiting');
      this.#memory.note(`${batch[0]!.id} ${planned}`, batch[0]!.by);
      return set('refused', planned);
    }
    const { renamed, former, ...rest } = planned;
    const { version } = this.#memory.state;
    const by = batch[0]!.by;
    const ids = batch.map(({ id }) => id);
    const begun = await this.#rollouts
      .begin({
        request: {
          ...rest,
          basis: version,
          sealed: {},
          by,
          ...(former && { former: { ...former, ...only(how) } }),
        },
        says: batch.map(({ id, change }) => `${id}: ${told(change)}`).join('; '),
        requests: ids,
        ...(renamed && { renamed }),
      })
      .then(
        ({ attached, revision }) => (attached ? this.#memory.carriesOut(ids, revision) : undefined),
        (error: unknown) => reasonOf(error),
      );
    if (begun === undefined) return;
    set('waiting', begun);
    // Whoever has come before it ends first.
    await condition(
      () => this.#memory.state.version !== version || this.#memory.state.rollout === undefined,
      '1 minute',
    );
  }
}

/** What a worker is asked for a change of hosts. */
export function changing(
  name: string,
  { wanted, former, knowledge }: ClusterState,
  changes: readonly Change[],
  how: Manner = {},
): Changing {
  if (!wanted) throw refused('InvalidRequest', `no cluster.yaml of ${name} is kept here: apply it once`);
  return { wanted, changes, knowledge, ...(former && { former }), ...only(how) };
}

export interface Manner {
  readonly forced?: boolean;
  readonly data?: boolean;
}

const only = ({ forced, data }: Manner) => ({
  ...(forced && { forced: true as const }),
  ...(data && { data: true as const }),
});

/** What an activity was refused for, without the activity around it. */
export function whole(error: unknown): unknown {
  return error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : error;
}
