import { ACCESS_KEY, currentKey } from '../plan/access-key.ts';
import { allot } from '../plan/compile.ts';
import type { Knowledge } from '../plan/plan.ts';
import { readKept } from '../spec/kept.ts';
import type { ClusterView } from '../workflows/contract.ts';
import { EXIT, Failure } from './errors.ts';
import type { Draft } from './index.ts';
import { noneLeaves, partOf } from './part.ts';

/**
 * The plan by which all hosts get another key of the cluster in place of the one they have: installed beside it, proven by
 * a login, and only then is the other taken away. What the cluster is kept as has the new key too, for hosts that are away.
 * Of a rotation that has not come to its end, the rest. Throws a `Failure` where the cluster has no key of its own.
 */
export function rotation(state: ClusterView): Draft {
  const { wanted, knowledge, facts, parked = {} } = state;
  const cluster = wanted && readKept(wanted);
  if (!cluster?.secrets[ACCESS_KEY])
    throw new Failure('The hosts of this cluster have no key that Farweave has made.', {
      hint: 'Write `access: { rotate: true }` into the cluster file, and apply.',
      exitCode: EXIT.badInput,
    });
  noneLeaves(state);
  const isIn = ({ name }: { readonly name: string }) => facts[ACCESS_KEY]?.[name] === currentKey(knowledge);
  const isDone = cluster.hosts.every((host) => isIn(host) || parked[host.name] !== undefined);
  const next: Knowledge = allot(cluster, isDone ? { ...knowledge, key: (knowledge.key ?? 1) + 1 } : knowledge);
  return partOf(state, cluster, 'rotate', next);
}
