import type { Sealed } from '../activities/contract.ts';
import type { Packed } from '../plan/pack.ts';
import { DIGEST_KEY, HOST_KEY } from '../plan/plan.ts';
import { FRESH } from './carried.ts';
import type {
  ApplyRequest,
  ClusterEvent,
  ClusterState,
  ClusterView,
  Outcome,
  RolloutState,
  RunningRollout,
} from './contract.ts';
import { factsAfter, isSame } from './facts.ts';
import { parkedBy, withKey } from './parked.ts';
import { detail, linkTo, upsert } from './report.ts';
import { withEnd, withRevision } from './revisions.ts';

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
    const { plans: _plans, waiting: _waiting, ...view } = this.#state;
    return view;
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

  note(what: string, by?: string, at = new Date().toISOString()): void {
    const event: ClusterEvent = { at, what: what.slice(0, SAID), ...(by !== undefined && { by }) };
    this.#state = { ...this.#state, events: [...this.#state.events, event].slice(-EVENTS) };
  }

  /** Takes over what comes with a plan, and gives the revision of its rollout. A verification leaves no trace but what was generated. */
  remember({ plan, knowledge, sealed }: Packed<ApplyRequest>, generated: Sealed): number {
    const { version, revision, knowledge: before, sealed: had } = this.#state;
    const made = { ...had, ...generated };
    const kept =
      plan.purpose === 'apply' ? { knowledge, sealed: { ...made, ...sealed } } : { knowledge: before, sealed: made };
    const isNews = !isSame(before, kept.knowledge);
    this.#state = { ...this.#state, ...kept, version: isNews ? version + 1 : version, revision: revision + 1 };
    return revision + 1;
  }

  /** What the rollout of a plan needs of what is remembered. */
  sealedFor({ plan, sealed }: Pick<Packed<ApplyRequest>, 'plan' | 'sealed'>): Sealed {
    const all = { ...this.#state.sealed, ...sealed };
    return Object.fromEntries(
      Object.entries(all).filter(([name]) => name === DIGEST_KEY || plan.secrets[name] !== undefined),
    );
  }

  /** `plan`: to be kept, for hosts that come back and for people who go back. */
  began(rollout: RunningRollout, by: string, what: string, plan?: Packed<ApplyRequest>['plan']): void {
    const { revision, digest, followUp, goesBackTo } = rollout;
    const { last, queued } = this.#state;
    if (queued?.digest === digest) this.#unqueue();
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
    this.#end(rollout, { state: 'failed', problems: [problem], ...nothing }, parked);
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
    const { rollout: _, ...rest } = this.#state;
    const { revision, digest, followUp, purpose } = rollout;
    const { facts: _facts, ...last } = outcome;
    if (purpose === 'apply') {
      const known = {
        ...rest,
        facts: factsAfter(rest, rollout, outcome),
        revisions: withEnd(rest.revisions, revision, last.state),
      };
      // A follow-up that has made room is as good as none: its hosts are still waited for.
      const isVoid = followUp === true && this.#superseded === revision && last.state === 'cancelled';
      const ended = { ...last, revision, digest, ...(followUp && { followUp }) };
      this.#state = isVoid ? known : { ...known, last: ended, ...(parked && { parked }) };
    } else this.#state = rest;
    const left = last.parked.length > 0 ? `, parked: ${last.parked.join(', ')}` : '';
    this.note(`revision ${revision}: ${last.state}, ${last.changed} changed${left}`);
    this.#show();
  }

  /** For the lists and the page of the Web UI. */
  #show(): void {
    const { rollout, last, revision, events, queued } = this.#state;
    const state = rollout ? (rollout.state ?? 'surveying') : (last?.state ?? 'idle');
    upsert({ cluster: this.#name, revision, state, parked: last?.parked.length ?? 0 });
    const link = rollout && `Now: ${linkTo(rollout.workflowId)}`;
    const waits = queued && `Waiting: apply of plan ${shown(queued.digest)} by ${queued.by}`;
    const told = events
      .slice(-20)
      .toReversed()
      .map(({ at, what, by }) => `- ${at} ${what}${by === undefined ? '' : ` (${by})`}`);
    const lines = [link, waits].filter((line) => line !== undefined);
    detail(`${this.#name}: ${state}`, [...lines, ...(lines.length > 0 ? [''] : []), ...told], []);
  }
}

/** As much of a digest as one tells plans apart by. */
const shown = (digest: string) => digest.slice(0, 12);
