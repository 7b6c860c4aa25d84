import type { HostSpec } from '../plan/plan.ts';
import type { Account } from './account.ts';
import type { Parting } from './activity.ts';
import type { ClusterCopy, Outcome, RolloutInput } from './contract.ts';

/** How many hosts get a copy of the cluster. It is the same for each, and stands in the history as often. */
const KEEPERS = 8;

/** What a rollout leaves on its hosts, by how it has ended. */
export function partingOf(
  { plan, revision, sealed, owner, keep }: RolloutInput,
  { facts }: Account,
  { state, left }: Pick<Outcome, 'state' | 'left'>,
): Parting {
  if (!owner || !keep) return {};
  const copy: ClusterCopy = {
    revision, // first: the shell on the host looks for it there
    cluster: plan.cluster,
    owner: owner.id,
    ...keep,
    facts,
    sealed: { ...keep.sealed, ...sealed },
  };
  const release = state === 'undone' && left.length === 0;
  return { copy: { revision, text: JSON.stringify(copy) }, ...(release && { release }) };
}

/** The hosts that get a copy: a few, from as many sites as there are, the same ones as long as nothing changes. */
export function keepersOf(hosts: readonly HostSpec[]): ReadonlySet<HostSpec> {
  const sites = [...Map.groupBy(hosts, ({ site }) => site).values()];
  const rounds = Math.max(0, ...sites.map((members) => members.length));
  const inTurn = Array.from({ length: rounds }, (_, n) => sites.flatMap((members) => members.slice(n, n + 1)));
  return new Set(inTurn.flat().slice(0, KEEPERS));
}
