import type { Sealed } from '../activities/contract.ts';
import { isAccessKey } from '../plan/access-key.ts';
import type { Packed } from '../plan/pack.ts';
import { DIGEST_KEY } from '../plan/plan.ts';
import {
  type ApplyRequest,
  type ClusterState,
  type HostRequest,
  isOver,
  type Outcome,
  type RunningRollout,
} from './contract.ts';
import { isSame } from './facts.ts';

/** Requests that have ended, and are still told of. */
const REMEMBERED = 20;

type Renamed = NonNullable<RunningRollout['renamed']>;

/** With what comes with a plan. A verification leaves no trace but what was generated. */
export function remembered(
  state: ClusterState,
  request: Packed<ApplyRequest>,
  generated: Sealed,
  renamed?: Renamed,
): ClusterState {
  const { plan, knowledge, sealed } = request;
  if (plan.purpose !== 'apply')
    return { ...state, sealed: { ...state.sealed, ...generated }, revision: state.revision + 1 };
  const before = wanting(state, request, renamed);
  const isNews = !isSame(before.knowledge, knowledge);
  return {
    ...before,
    knowledge,
    sealed: { ...before.sealed, ...generated, ...sealed },
    version: isNews ? before.version + 1 : before.version,
    revision: before.revision + 1,
  };
}

/** What is wanted from now on, with what was for when nothing comes of it. Of a plan from an older release nothing is known. */
function wanting(
  state: ClusterState,
  { wanted, former }: Pick<ApplyRequest, 'wanted' | 'former'>,
  renamed?: Renamed,
): ClusterState {
  const { wanted: before, former: leaving, fallback: _, destroyed: __, ...rest } = state;
  const { knowledge, facts, sealed, parked } = state;
  const fallback = {
    ...(before && { wanted: before }),
    ...(leaving && { former: leaving }),
    ...(renamed && { knowledge, facts, sealed, ...(parked && { parked }) }),
  };
  return {
    ...(renamed ? withRenamed(rest, renamed) : rest),
    ...(wanted && { wanted }),
    ...(former && { former }),
    ...(Object.keys(fallback).length > 0 && { fallback }),
  };
}

/** Whether a rollout has come to nothing: then the cluster wants what it wanted before. */
export function isVoid({
  state,
  changed,
  left,
  unknown,
}: Pick<Outcome, 'state' | 'changed' | 'left' | 'unknown'>): boolean {
  if (unknown || state === 'done') return false;
  return state === 'undone' ? left.length === 0 : changed === 0;
}

/** What came with a plan whose rollout could not begin is as if it had not come. */
export function retracted(state: ClusterState, before: ClusterState): ClusterState {
  const { wanted: _, former: __, fallback: ___, parked: ____, ...rest } = state;
  const { wanted, former, fallback, parked, knowledge, facts, sealed } = before;
  return {
    ...rest,
    knowledge,
    facts,
    sealed,
    ...(wanted && { wanted }),
    ...(former && { former }),
    ...(fallback && { fallback }),
    ...(parked && { parked }),
  };
}

/** As it is shown. */
export function withoutSecrets(request: HostRequest): HostRequest {
  const { sealed: _, ...shown } = request;
  return shown;
}

/** What is known once a rollout has ended: who has left is forgotten, and what came to nothing is as if it had not been wanted. */
export function membershipAfter(state: ClusterState, rollout: RunningRollout, outcome: Outcome): ClusterState {
  const { fallback, wanted: _wanted, former: _former, ...rest } = state;
  const requests = requestsAfter(state.requests, rollout, outcome);
  const known = { ...rest, ...(requests && { requests }) };
  // With the places in the network that were given before, plans that were made since do not hold.
  const version = fallback?.knowledge ? state.version + 1 : state.version;
  if (isVoid(outcome)) return { ...known, ...fallback, version };
  const { wanted, former } = state;
  const { leaving = [] } = rollout;
  if (outcome.state !== 'done' || leaving.length === 0)
    return { ...known, ...(wanted && { wanted }), ...(former && { former }) };
  const gone = new Set(leaving);
  return {
    ...known,
    ...(wanted && { wanted }),
    version: state.version + 1,
    leftAt: state.version + 1,
    facts: Object.fromEntries(
      Object.entries(state.facts).map(([fact, table]) => [fact, without(table, gone)] as const),
    ),
    sealed: Object.fromEntries(Object.entries(state.sealed).filter(([name]) => !isOwnOf(gone, name))),
    ...(state.parked && { parked: without(state.parked, gone) }),
  };
}

/** A host that leaves goes by another name, since its own is given to another machine. */
function withRenamed(state: ClusterState, { from, to }: Renamed): ClusterState {
  const moved = <T>(table: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(table).map(([host, value]) => [host === from ? to : host, value] as const));
  const own = `access.${from}.`;
  const sealed = Object.entries(state.sealed).map(
    ([name, text]) => [name.startsWith(own) ? `access.${to}.${name.slice(own.length)}` : name, text] as const,
  );
  return {
    ...state,
    facts: Object.fromEntries(Object.entries(state.facts).map(([fact, table]) => [fact, moved(table)] as const)),
    sealed: Object.fromEntries(sealed),
    ...(state.parked && { parked: moved(state.parked) }),
  };
}

/** The secrets that a plan names, of those that are remembered and that come with it, and all keys that hosts may have. */
export function sealedFor(
  state: ClusterState,
  { plan, sealed }: Pick<Packed<ApplyRequest>, 'plan' | 'sealed'>,
): Sealed {
  const all = Object.entries({ ...state.sealed, ...sealed });
  const isNeeded = (name: string) => name === DIGEST_KEY || isAccessKey(name) || plan.secrets[name] !== undefined;
  return Object.fromEntries(all.filter(([name]) => isNeeded(name)));
}

/** With one that is new, or stands otherwise. The oldest that have ended are forgotten. */
export function withRequest(requests: readonly HostRequest[] = [], request: HostRequest): readonly HostRequest[] {
  const known = requests.some(({ id }) => id === request.id);
  const all = known ? requests.map((each) => (each.id === request.id ? request : each)) : [...requests, request];
  const ended = all.filter(isOver);
  const forgotten = new Set(ended.slice(0, Math.max(0, ended.length - REMEMBERED)));
  return all.filter((each) => !forgotten.has(each));
}

/** Whether a change of hosts is about to begin. */
export const isPlanning = ({ requests = [] }: Pick<ClusterState, 'requests'>) =>
  requests.some(({ state }) => state === 'planning');

function requestsAfter(
  requests: ClusterState['requests'],
  { revision }: Pick<RunningRollout, 'revision'>,
  outcome: Outcome,
): ClusterState['requests'] {
  return requests?.map((request) => {
    if (request.state !== 'running' || request.revision !== revision) return request;
    const { said: _, sealed: __, ...rest } = request;
    return outcome.state === 'done'
      ? { ...rest, state: 'done' as const, ...parkedOf(outcome) }
      : { ...rest, state: 'failed' as const, said: whyNot(outcome), ...(isVoid(outcome) && { void: true as const }) };
  });
}

/** Whether a secret is the login of one of these hosts: `access.vm3.password`. */
function isOwnOf(hosts: ReadonlySet<string>, secret: string): boolean {
  const [kind, host = '', field] = secret.split('.');
  return kind === 'access' && field !== undefined && hosts.has(host);
}

const parkedOf = ({ parked }: Outcome) => (parked.length === 0 ? {} : { said: `parked: ${parked.join(', ')}` });

function whyNot(outcome: Outcome): string {
  const why = outcome.problems[0]?.message ?? outcome.state;
  const now = isVoid(outcome)
    ? 'the cluster stays as it was'
    : 'what was changed stays, and the next apply goes on from there';
  return `${why.slice(0, 300)}; ${now}`;
}

function without<T>(table: Readonly<Record<string, T>>, names: ReadonlySet<string>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(table).filter(([name]) => !names.has(name)));
}
