import { WAY_IN } from '../plan/access-key.ts';
import { type Facts, HOST_KEY, type Knowledge } from '../plan/plan.ts';
import type { ClusterState, Outcome, RunningRollout } from './contract.ts';

/** What is known of hosts when a rollout has ended. */
export function factsAfter(
  { facts: before, parked = {} }: Pick<ClusterState, 'facts' | 'parked'>,
  { goesBackTo }: Pick<RunningRollout, 'goesBackTo'>,
  { facts }: Pick<Outcome, 'facts'>,
): Facts {
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
    return [fact, table] as const;
  });
  return { ...facts, ...Object.fromEntries(ways.filter(([, table]) => Object.keys(table).length > 0)) };
}

/** Whether plans that are made from either come out the same. */
export function isSame({ indexes: one, key }: Knowledge, { indexes: other, key: another }: Knowledge): boolean {
  const names = Object.keys(one);
  return (
    key === another && names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
  );
}
