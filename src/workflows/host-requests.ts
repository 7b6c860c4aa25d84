import { ApplicationFailure, proxyActivities } from '@temporalio/workflow';
import type { CheckChange, Greet, Sealed } from '../activities/contract.ts';
import type { HostSpec } from '../plan/plan.ts';
import { accessTo, bastionsTo, keysOfBastions } from '../plan/way.ts';
import { refused } from './admission.ts';
import {
  type ClusterState,
  type HostControls,
  type HostReply,
  type HostRequest,
  hostsIn,
  isOver,
  isPending,
  told,
} from './contract.ts';
import { admitAnswer, admitChange, admitSecretsOf, type Change, changeOf } from './host-admission.ts';
import { queueOf } from './host-queue.ts';
import { changing, type Manner, whole } from './host-turns.ts';
import type { Memory } from './memory.ts';
import { reasonOf } from './requests.ts';
import { fromWorkers } from './site-input.ts';

const { 'cluster.check': check } = proxyActivities<{
  'cluster.check': CheckChange;
}>({ startToCloseTimeout: '30 seconds', scheduleToCloseTimeout: '1 hour' });

const greet: Greet = (asked) =>
  proxyActivities<{ 'hosts.greet': Greet }>({
    startToCloseTimeout: '1 minute',
    scheduleToCloseTimeout: '10 minutes',
    retry: { maximumAttempts: 3 },
    ...queueOf(asked.host),
  })['hosts.greet'](asked);

const SOMEBODY = 'somebody';

type Asked = HostControls['addHost'] | HostControls['removeHost'] | HostControls['replaceHost'];
type Changes = 'addHost' | 'removeHost' | 'replaceHost';

/** Changes of hosts as people ask for them, and answer what is asked back. */
export class HostRequests {
  readonly #name: string;
  readonly #memory: Memory;

  constructor(name: string, memory: Memory) {
    this.#name = name;
    this.#memory = memory;
  }

  /** Takes a change on, to be carried out when its turn comes. The same once more finds the one that is there. */
  async accept(kind: Changes, asked: Asked): Promise<HostReply> {
    const change = changeOf(kind, asked);
    const same = this.#same(change);
    if (same) return replyTo(same);
    await this.#check(change, asked);
    const sealed = 'sealed' in asked && asked.sealed ? ownOf(change, asked.sealed) : {};
    return replyTo(this.#take(change, asked, 'waiting', { ...(Object.keys(sealed).length > 0 && { sealed }) }));
  }

  /** A signal cannot be refused: then that is an event. A host whose key nobody vouches for is sent nothing before somebody does. */
  async heed(kind: Changes, given: unknown): Promise<void> {
    const { by, ...asked } = (typeof given === 'object' ? (given ?? {}) : {}) as Asked;
    const who = typeof by === 'string' ? by.slice(0, 100) : SOMEBODY;
    await this.#heed(kind, { ...asked, by: who } as Asked).catch((error: unknown) =>
      this.#memory.note(`${kind} ${reasonOf(whole(error))}`, who),
    );
  }

  /** The same of an answer that came by signal. */
  async heedAnswer(kind: 'approveHost' | 'withdrawHost', given: unknown): Promise<void> {
    const asked = (typeof given === 'object' ? (given ?? {}) : {}) as HostControls[typeof kind];
    const answer = kind === 'approveHost' ? this.approve(asked) : this.withdraw(asked);
    await answer.catch((error: unknown) => this.#memory.note(`${kind} ${reasonOf(error)}`, SOMEBODY));
  }

  async approve(asked: HostControls['approveHost']): Promise<HostReply> {
    const request = admitAnswer(this.#name, this.#memory.state, asked, ['asking']);
    const { shownKey, said: _, ...rest } = request;
    const change = withKey(request.change, shownKey);
    const approved = { ...rest, change, state: 'waiting' as const };
    this.#memory.request(approved);
    this.#memory.note(`${request.id}: the key ${shownKey} is approved`, asked.by ?? SOMEBODY);
    return replyTo(approved);
  }

  async withdraw(asked: HostControls['withdrawHost']): Promise<HostReply> {
    const request = admitAnswer(this.#name, this.#memory.state, asked, ['asking', 'waiting']);
    this.#memory.request({ ...request, state: 'withdrawn' });
    this.#memory.note(`${request.id} is withdrawn: ${told(request.change)}`, asked.by ?? SOMEBODY);
    return { id: request.id, said: `${request.id} (${told(request.change)}) is withdrawn` };
  }

  async #heed(kind: Changes, asked: Asked): Promise<void> {
    const change = changeOf(kind, asked);
    admitSecretsOf(change);
    admitChange(this.#name, this.#memory.state);
    if (this.#same(change)) return;
    const host = (await this.#check(change, asked)).find(({ hostKey }) => hostKey === undefined);
    if (!host) return void this.#take(change, asked, 'waiting');
    const shownKey = await greet({ host, ...this.#wayTo(host) });
    const request = this.#take(change, asked, 'asking', { shownKey });
    this.#memory.note(`${request.id}: ${host.name} shows ${shownKey}: approve or withdraw it`);
  }

  /** By what the cluster knows of its bastions: who is added by signal brings none along. */
  #wayTo(host: HostSpec) {
    const { last, plans = {}, facts, sealed } = this.#memory.state;
    const plan = last && plans[last.digest];
    const way = bastionsTo([host], plan?.bastions);
    if (!plan || !way.bastions) return {};
    const names = accessTo([{ ...host, access: {} }], way.bastions);
    const own = Object.entries({ ...sealed, ...fromWorkers(plan) }).filter(([name]) => names.includes(name));
    return { ...way, facts: keysOfBastions(facts, way.bastions), sealed: Object.fromEntries(own) };
  }

  #check(change: Change, asked: Asked & Manner) {
    admitChange(this.#name, this.#memory.state);
    const state = this.#here;
    const before = this.#open.filter(isPending).map((request) => request.change);
    const alone = () => check(changing(this.#name, state, [change], asked));
    if (before.length === 0) return alone().catch(refusal);
    // One before it may be wrong by now: that is no reason to refuse this one.
    return check(changing(this.#name, state, [...before, change], asked))
      .catch(alone)
      .catch(refusal);
  }

  #take(
    change: Change,
    { by = SOMEBODY, reason, ...asked }: Asked,
    state: HostRequest['state'],
    more: Partial<HostRequest> = {},
  ): HostRequest {
    admitChange(this.#name, this.#memory.state);
    const { requests = [] } = this.#memory.state;
    const numbers = requests.map(({ id }) => Number(id.slice(1)));
    const request: HostRequest = {
      id: `h${Math.max(0, ...numbers) + 1}`,
      change,
      by,
      at: new Date().toISOString(),
      state,
      ...(typeof reason === 'string' && { reason: reason.slice(0, 200) }),
      ...('forced' in asked && asked.forced === true && { forced: true as const }),
      ...('data' in asked && asked.data === true && { data: true as const }),
      ...more,
    };
    this.#memory.request(request);
    this.#memory.note(
      `${request.id}: ${told(change)}${request.reason === undefined ? '' : ` (${request.reason})`}`,
      by,
    );
    return request;
  }

  /** Without those that a rollout is taking out at this moment: they will have left by the time that this one's turn comes. */
  get #here(): ClusterState {
    const { former: _, ...rest } = this.#memory.state;
    return rest.rollout ? rest : this.#memory.state;
  }

  get #open(): readonly HostRequest[] {
    return (this.#memory.state.requests ?? []).filter((request) => !isOver(request));
  }

  #same(change: Change): HostRequest | undefined {
    return this.#open.find((request) => JSON.stringify(request.change) === JSON.stringify(change));
  }
}

function replyTo({ id, change, state, revision }: HostRequest): HostReply {
  const stands = state === 'running' ? `is under way in revision ${revision}` : 'is taken on';
  return { id, said: `${id} (${told(change)}) ${state === 'asking' ? 'waits for an approval' : stands}` };
}

/** Of secrets that came along, those of the hosts that come: nobody else's are replaced by the way. */
function ownOf(change: Change, sealed: Sealed): Sealed {
  const own = hostsIn(change).map(({ name }) => `access.${name}.`);
  return Object.fromEntries(Object.entries(sealed).filter(([name]) => own.some((prefix) => name.startsWith(prefix))));
}

function withKey(change: Change, hostKey: string | undefined): Change {
  const [host] = hostsIn(change);
  if (!host || hostKey === undefined) return change;
  return 'add' in change ? { add: [{ ...host, hostKey }] } : ({ ...change, with: { ...host, hostKey } } as Change);
}

function refusal(error: unknown): never {
  const cause = whole(error);
  throw cause instanceof ApplicationFailure ? refused('InvalidRequest', cause.message) : cause;
}
