import { WAY_IN } from '../plan/access-key.ts';
import { type Facts, HOST_KEY, HOST_KEY_OTHER, type Knowledge } from '../plan/plan.ts';
import type { ClusterState, Outcome, RunningRollout } from './contract.ts';

/** What is known of hosts when a rollout has ended. */
export function factsAfter(
  { facts: before, parked = {} }: Pick<ClusterState, 'facts' | 'parked'>,
  { goesBackTo }: Pick<RunningRollout, 'goesBackTo'>,
  outcome: Pick<Outcome, 'facts' | 'state' | 'parked' | 'left'>,
): Facts {
  const { facts } = outcome;
  // The earlier plan may not know all hosts. They are there, and nobody is to meet them as if for the first time.
  const others = goesBackTo === undefined ? {} : Object.fromEntries(WAY_IN.map((fact) => [fact, before[fact] ?? {}]));
  // The rollout began before they were accepted.
  const accepted = Object.fromEntries(
    Object.entries(parked).flatMap(([host, { acceptedKey }]) =>
      acceptedKey !== undefined && facts[HOST_KEY]?.[host] !== undefined ? [[host, acceptedKey] as const] : [],
    ),
  );
  const ways = WAY_IN.map((fact) => {
    const table = { ...others[fact], ...facts[fact], ...(fact === HOST_KEY && accepted) };
    return [fact, fact === HOST_KEY_OTHER && isAtEnd(outcome) ? only(outcome.parked, table) : table] as const;
  });
  const { [HOST_KEY_OTHER]: _, ...rest } = facts;
  return { ...rest, ...Object.fromEntries(ways.filter(([, table]) => Object.keys(table).length > 0)) };
}

/** Nothing is to be done or taken back any more: of hosts that are there, one key counts. */
const isAtEnd = ({ state, left }: Pick<Outcome, 'state' | 'left'>) =>
  state === 'done' || (state === 'undone' && left.length === 0);

const only = (hosts: readonly string[], table: Facts[string]) =>
  Object.fromEntries(Object.entries(table).filter(([host]) => hosts.includes(host)));

/** Whether plans that are made from either come out the same. */
export function isSame({ indexes: one, key }: Knowledge, { indexes: other, key: another }: Knowledge): boolean {
  const names = Object.keys(one);
  return (
    key === another && names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
  );
}
