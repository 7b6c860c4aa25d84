import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  isCancellation,
  proxyActivities,
  sleep,
} from '@temporalio/workflow';
import type { Changing, PlanChange, Replanned, Sealed } from '../activities/contract.ts';
import { holderOf, refused } from './admission.ts';
import { type ClusterState, type HostRequest, isOver, told } from './contract.ts';
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
    // What a restore has stopped in the middle of is for people to decide.
    if (this.#next().length === 0 || state.rollout?.purpose === 'restore') return false;
    return holderOf(state, { plan: { purpose: 'apply' } }) === undefined;
  }

  /** The first that waits; with it, where it only adds, all others that do. */
  #next(): readonly HostRequest[] {
    const { requests = [], rollout } = this.#memory.state;
    const isMeant = ({ state, change }: HostRequest) => state === 'waiting' && !(rollout?.stuck && 'add' in change);
    const waiting = requests.filter(isMeant);
    const [first] = waiting;
    if (!first) return [];
    const joins = ({ change, id }: HostRequest) => 'add' in change && !this.#alone.has(id);
    return joins(first) ? waiting.filter(joins) : [first];
  }

  async #carryOut(batch: readonly HostRequest[]): Promise<void> {
    const [{ by }] = batch as readonly [HostRequest];
    const ids = batch.map(({ id }) => id);
    const { wanted, former, version } = this.#memory.state;
    this.#set(ids, 'planning');
    const planned = await this.#plan(batch).catch((error: unknown) => reasonOf(whole(error)));
    if (typeof planned === 'string') {
      for (const id of ids) this.#alone.add(id);
      if (batch.length > 1) return this.#set(ids, 'waiting');
      return this.#refuse(ids, by, planned);
    }
    const { renamed, former: leaves, ...rest } = planned;
    const sealed = Object.assign({}, ...batch.map((request) => request.sealed ?? {})) as Sealed;
    const request = {
      ...rest,
      basis: version,
      sealed,
      by,
      ...(leaves && { former: { ...leaves, ...only(former ?? asked(batch)) } }),
    };
    const says = batch.map(({ id, change }) => `${id}: ${told(change)}`).join('; ');
    const made = { wanted, former };
    const error = await this.#rollouts
      .begin({ request, says, requests: ids, madeFrom: made, ...(renamed && { renamed }) })
      .then(
        ({ attached, revision }) => (attached ? this.#memory.carriesOut(ids, revision) : undefined),
        (refusal: unknown) => reasonOf(refusal),
      );
    if (typeof error !== 'string') return;
    const { state } = this.#memory;
    const isOutdated = state.wanted !== wanted || state.former !== former || state.version !== version;
    if (!isOutdated && !state.rollout) return this.#refuse(ids, by, error);
    this.#set(ids, 'waiting', error);
    // Whoever has come before it ends first.
    if (!isOutdated) await condition(() => this.#memory.state.rollout === undefined, '1 minute');
  }

  async #plan(batch: readonly HostRequest[]): Promise<Replanned> {
    const { state } = this.#memory;
    const changes = batch.map(({ change }) => change);
    return plan(changing(this.#name, state, changes, asked(batch)));
  }

  #refuse(ids: readonly string[], by: string, why: string): void {
    this.#memory.note(`${ids.join(', ')} ${why}`, by);
    this.#set(ids, 'refused', why);
  }

  /** What somebody has withdrawn meanwhile stays so. */
  #set(ids: readonly string[], state: HostRequest['state'], said?: string): void {
    for (const request of this.#memory.state.requests ?? [])
      if (ids.includes(request.id) && !isOver(request))
        this.#memory.request({ ...request, state, ...(said !== undefined && { said }) });
  }
}

/** What a worker is asked for a change of hosts. As long as some leave, what is done to them is done to no other. */
export function changing(
  name: string,
  { wanted, former, knowledge }: ClusterState,
  changes: readonly Change[],
  how: Manner = {},
): Changing {
  if (!wanted) throw refused('InvalidRequest', `no cluster.yaml of ${name} is kept here: apply it once`);
  const isOther = former && (former.forced !== only(how).forced || former.data !== only(how).data);
  if (isOther && changes.some((change) => !('add' in change)))
    throw refused('InvalidRequest', `hosts of ${name} are still leaving in another manner: apply again first`);
  return { wanted, changes, knowledge, ...(former && { former }), ...only(former ?? how) };
}

export interface Manner {
  readonly forced?: boolean;
  readonly data?: boolean;
}

const asked = (batch: readonly Manner[]): Manner => ({
  forced: batch.some((one) => one.forced),
  data: batch.some((one) => one.data),
});

const only = ({ forced, data }: Manner) => ({
  ...(forced && { forced: true as const }),
  ...(data && { data: true as const }),
});

/** What an activity was refused for, without the activity around it. Where none was at work, that. */
export function whole(error: unknown): unknown {
  if (!(error instanceof ActivityFailure) || isCancellation(error)) return error;
  if (error.cause instanceof ApplicationFailure) return error.cause;
  return refused('InvalidRequest', 'no worker has answered: ask again once one runs');
}
