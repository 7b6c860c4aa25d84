import type { Sealed } from '../activities/contract.ts';
import type { Packed } from '../plan/pack.ts';
import { DIGEST_KEY } from '../plan/plan.ts';
import type { ApplyRequest, ClusterState, Outcome, RolloutState, RunningRollout } from './contract.ts';
import { detail, linkTo, upsert } from './report.ts';

const EVENTS = 200;

const FRESH: ClusterState = {
  version: 0,
  revision: 0,
  knowledge: { indexes: {} },
  facts: {},
  sealed: {},
  events: [],
};

/** What a cluster remembers, and how that changes. */
export class Memory {
  readonly #name: string;
  #state: ClusterState;
  /** A quick rollout may have told of itself before its start has been noted. */
  #early: (() => void)[] = [];

  constructor(name: string, state: ClusterState = FRESH) {
    this.#name = name;
    this.#state = state;
    this.#show();
  }

  get state(): ClusterState {
    return this.#state;
  }

  /** The cluster's id, once it has one. */
  own(owner: string): void {
    this.#state = { ...this.#state, owner };
  }

  /** Another state, that no rollout has brought about. */
  become(state: ClusterState, what: string, by: string): void {
    this.#state = state;
    this.note(what, by);
    this.#show();
  }

  note(what: string, by?: string): void {
    const event = { at: new Date().toISOString(), what, ...(by !== undefined && { by }) };
    this.#state = { ...this.#state, events: [...this.#state.events, event].slice(-EVENTS) };
  }

  /** Takes over what comes with a plan, and gives the revision of its rollout. A verification leaves no trace but what was generated. */
  remember({ plan, knowledge, sealed }: Packed<ApplyRequest>, generated: Sealed): number {
    const { version, revision, knowledge: before, sealed: had } = this.#state;
    const made = { ...had, ...generated };
    const kept =
      plan.purpose === 'apply' ? { knowledge, sealed: { ...made, ...sealed } } : { knowledge: before, sealed: made };
    const isNews = !areSame(before.indexes, kept.knowledge.indexes);
    this.#state = { ...this.#state, ...kept, version: isNews ? version + 1 : version, revision: revision + 1 };
    return revision + 1;
  }

  /** What the rollout of a plan needs of what is remembered. */
  sealedFor({ plan, sealed }: Packed<ApplyRequest>): Sealed {
    const all = { ...this.#state.sealed, ...sealed };
    return Object.fromEntries(
      Object.entries(all).filter(([name]) => name === DIGEST_KEY || plan.secrets[name] !== undefined),
    );
  }

  began(rollout: RunningRollout, by: string): void {
    this.#state = { ...this.#state, rollout };
    this.note(`revision ${rollout.revision}: ${rollout.purpose} of plan ${rollout.digest.slice(0, 12)} began`, by);
    for (const tell of this.#early.splice(0)) tell();
    this.#show();
  }

  changed(news: { revision: number; state: RolloutState; stuck: boolean }): void {
    const { revision, state, stuck } = news;
    const { rollout } = this.#state;
    if (!rollout && revision === this.#state.revision) this.#early.push(() => this.changed(news));
    if (rollout?.revision !== revision) return;
    this.#state = { ...this.#state, rollout: { ...rollout, state, stuck } };
    if (state === 'paused') this.note(`revision ${revision}: paused${stuck ? ' on a failure' : ''}`);
    this.#show();
  }

  ended(news: { revision: number; outcome: Outcome }): void {
    const { revision, outcome } = news;
    const { rollout, ...rest } = this.#state;
    if (!rollout && revision === rest.revision) this.#early.push(() => this.ended(news));
    if (rollout?.revision !== revision) return;
    const { facts, ...last } = outcome;
    const isApply = rollout.purpose === 'apply';
    this.#state = isApply ? { ...rest, facts, last: { ...last, revision, digest: rollout.digest } } : rest;
    const parked = last.parked.length > 0 ? `, parked: ${last.parked.join(', ')}` : '';
    this.note(`revision ${revision}: ${last.state}, ${last.changed} changed${parked}`);
    this.#show();
  }

  /** A rollout has ended without a word: it was terminated, or its server lost it. */
  vanished(revision: number): void {
    if (this.#state.rollout?.revision !== revision) return;
    const message = `${this.#state.rollout.workflowId} was ended from outside`;
    const problem = { host: '', type: 'Unexpected', message, hint: 'Apply again: what is done stays done.' };
    const nothing = { changed: 0, parked: [], left: [], facts: this.#state.facts };
    this.ended({ revision, outcome: { state: 'failed', problems: [problem], ...nothing } });
  }

  /** For the lists and the page of the Web UI. */
  #show(): void {
    const { rollout, last, revision, events } = this.#state;
    const state = rollout ? (rollout.state ?? 'surveying') : (last?.state ?? 'idle');
    upsert({ cluster: this.#name, revision, state, parked: last?.parked.length ?? 0 });
    const to = rollout?.workflowId;
    const link = to && `Now: ${linkTo(to)}`;
    const told = events
      .slice(-20)
      .toReversed()
      .map(({ at, what, by }) => `- ${at} ${what}${by === undefined ? '' : ` (${by})`}`);
    detail(`${this.#name}: ${state}`, [...(link ? [link, ''] : []), ...told], []);
  }
}

function areSame(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): boolean {
  const [names, others] = [Object.keys(one), Object.keys(other)];
  return names.length === others.length && names.every((name) => one[name] === other[name]);
}
