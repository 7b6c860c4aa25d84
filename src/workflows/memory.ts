import type { Sealed } from '../activities/contract.ts';
import type { Packed } from '../plan/pack.ts';
import { HOST_KEY } from '../plan/plan.ts';
import { afterEnd } from './after-end.ts';
import { FRESH } from './carried.ts';
import type {
  ApplyRequest,
  ClusterEvent,
  ClusterState,
  ClusterView,
  HostRequest,
  Outcome,
  RolloutState,
  RunningRollout,
} from './contract.ts';
import { condemned } from './destruction.ts';
import { remembered, retracted, sealedFor, withoutSecrets, withRequest } from './membership.ts';
import { parkedBy, withKey } from './parked.ts';
import { withRevision } from './revisions.ts';
import { show, shown } from './shown.ts';

const EVENTS = 200;
/** Of an event, in characters. */
const SAID = 300;

/** What a cluster remembers, and how that changes. */
export class Memory {
  readonly #name: string;
  #state: ClusterState;
  /** A quick rollout may have told of itself before its start has been noted. */
  #early: (() => void)[] = [];
  /** The rollout that has been ended for another plan. */
  #superseded: number | undefined;

  constructor(name: string, state: ClusterState = FRESH) {
    this.#name = name;
    this.#state = state;
    this.#show();
  }

  get state(): ClusterState {
    return this.#state;
  }
  /** Without the plans. */
  get view(): ClusterView {
    const { plans: _plans, waiting: _waiting, specs: _specs, fallback: _fallback, requests, ...view } = this.#state;
    return { ...view, ...(requests && { requests: requests.map(withoutSecrets) }) };
  }

  /** The cluster's id, once it has one. */
  own(owner: string): void {
    this.#state = { ...this.#state, owner };
  }

  /** Another state, that no rollout has brought about. `what`: if it is an event. */
  become(state: ClusterState, what: string | undefined, by: string): void {
    this.#state = state;
    if (what !== undefined) this.note(what, by);
    this.#show();
  }

  note(what: string, by?: string, at = new Date().toISOString()): void {
    const event: ClusterEvent = { at, what: what.slice(0, SAID), ...(by !== undefined && { by }) };
    this.#state = { ...this.#state, events: [...this.#state.events, event].slice(-EVENTS) };
  }

  /** Takes over what comes with a plan, and gives the revision of its rollout. A verification leaves no trace but what was generated. */
  remember(request: Packed<ApplyRequest>, generated: Sealed, renamed?: RunningRollout['renamed']): number {
    this.#state = remembered(this.#state, request, generated, renamed);
    return this.#state.revision;
  }

  /** A change of hosts that is asked for, or stands otherwise than before. */
  request(request: HostRequest): void {
    this.#state = { ...this.#state, requests: withRequest(this.#state.requests, request) };
    this.#show();
  }

  /** A rollout could not begin: what came with its plan is as if it had not. */
  retract(before: ClusterState): void {
    this.#state = retracted(this.#state, before);
  }

  /** A rollout that begins is for these requests. */
  carriesOut(ids: readonly string[], revision: number): void {
    for (const request of this.#state.requests ?? [])
      if (ids.includes(request.id)) this.request({ ...request, state: 'running', revision });
  }

  /** What the rollout of a plan needs of what is remembered. */
  sealedFor(request: Pick<Packed<ApplyRequest>, 'plan' | 'sealed'>): Sealed {
    return sealedFor(this.#state, request);
  }

  /** `plan`: to be kept, for hosts that come back and for people who go back. */
  began(rollout: RunningRollout, by: string, what: string, plan?: Packed<ApplyRequest>['plan']): void {
    const { revision, followUp, goesBackTo, keeps: digest = rollout.digest } = rollout;
    const { last, queued } = this.#state;
    if (queued?.digest === rollout.digest) this.#unqueue();
    if (rollout.purpose === 'destroy') this.#state = condemned(this.#state);
    if (plan?.purpose === 'apply') {
      const how = { ...(followUp && last && { follows: last.revision }), ...(goesBackTo && { goesBackTo }) };
      const entry = { revision, at: new Date().toISOString(), by, digest, hosts: plan.hosts.length, ...how };
      this.#state = { ...this.#state, ...withRevision(this.#state, entry, plan) };
    }
    this.#state = { ...this.#state, rollout };
    this.note(what, by);
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
    const { rollout } = this.#state;
    if (!rollout && revision === this.#state.revision) this.#early.push(() => this.ended(news));
    if (rollout?.revision !== revision) return;
    this.#end(rollout, outcome, parkedBy(rollout, outcome, this.#state.parked));
  }

  /** A rollout has ended without a word: it was terminated, or its server lost it. */
  vanished(revision: number): void {
    const { rollout, facts, parked } = this.#state;
    if (rollout?.revision !== revision) return;
    const message = `${rollout.workflowId} was ended from outside`;
    const problem = { host: '', type: 'Unexpected', message, hint: 'Apply again: what is done stays done.' };
    const nothing = { changed: 0, parked: [], left: [], facts };
    this.#end(rollout, { state: 'failed', problems: [problem], unknown: true, ...nothing }, parked);
  }

  /** What a rollout tells of what somebody did to it. */
  heard({ revision, at, by, what }: { revision: number; at: string; by?: string; what: string }): void {
    this.note(`revision ${revision}: ${what}`, by, at);
    this.#show();
  }

  /** The rollout that runs has to make room for another plan. */
  gaveWay(revision: number, by: string): void {
    this.#superseded = revision;
    this.note(`revision ${revision} gives way to another plan`, by);
  }

  /** Somebody wants what a follow-up does: from now on it is theirs, and gives way to nobody. */
  claimed(by: string): void {
    const { rollout } = this.#state;
    if (!rollout?.followUp) return;
    const { followUp: _, ...own } = rollout;
    this.#state = { ...this.#state, rollout: { ...own, by } };
    this.note(`revision ${own.revision} is applied`, by);
  }

  /** An apply that waits for its turn takes the place of one that does. */
  queue(request: Packed<ApplyRequest>): void {
    const { digest, by, plan } = request;
    const { queued: before } = this.#state;
    const instead = before && before.digest !== digest ? ` instead of ${shown(before.digest)} by ${before.by}` : '';
    const queued = { digest, by, at: new Date().toISOString(), hosts: plan.hosts.length };
    this.#state = { ...this.#state, queued, waiting: request };
    this.note(`apply of plan ${shown(digest)} waits for its turn${instead}`, by);
    this.#show();
  }

  /** What waits does so no longer. */
  dequeue(what: string, by?: string): void {
    this.#unqueue();
    this.note(what, by);
    this.#show();
  }

  /** A host is held to another key than before. */
  accept(host: string, fingerprint: string, by?: string): void {
    const before = this.#state.facts[HOST_KEY]?.[host];
    this.#state = { ...this.#state, ...withKey(this.#state, host, fingerprint) };
    this.note(`key ${fingerprint} of ${host} accepted${before === undefined ? '' : ` in place of ${before}`}`, by);
    this.#show();
  }

  #unqueue(): void {
    const { queued: _queued, waiting: _waiting, ...rest } = this.#state;
    this.#state = rest;
  }

  #end(rollout: RunningRollout, outcome: Outcome, parked: ClusterState['parked']): void {
    const { revision } = rollout;
    this.#state = afterEnd(this.#state, rollout, outcome, { parked, isSuperseded: this.#superseded === revision });
    const { state, changed, parked: lost } = outcome;
    const left = lost.length > 0 ? `, parked: ${lost.join(', ')}` : '';
    this.note(`revision ${revision}: ${state}, ${changed} changed${left}`);
    this.#show();
  }

  #show(): void {
    show(this.#name, this.#state);
  }
}
