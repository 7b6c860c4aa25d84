import { ACCESS_KEY, currentKey } from '../plan/access-key.ts';
import { allot, compilePlan } from '../plan/compile.ts';
import { digestOf } from '../plan/digest.ts';
import type { Knowledge } from '../plan/plan.ts';
import { readKept } from '../spec/kept.ts';
import type { ClusterView } from '../workflows/contract.ts';
import { EXIT, Failure } from './errors.ts';
import type { Draft } from './index.ts';
import { spared } from './spared.ts';

/**
 * The plan by which all hosts get another key of the cluster in place of the one they have: installed beside it, proven by
 * a login, and only then is the other taken away. What the cluster is kept as has the new key too, for hosts that are away.
 * Of a rotation that has not come to its end, the rest. Throws a `Failure` where the cluster has no key of its own.
 */
export function rotation(state: ClusterView): Draft {
  const { wanted, former, knowledge, facts, parked = {}, version } = state;
  const cluster = wanted && readKept(wanted);
  if (!cluster?.secrets[ACCESS_KEY])
    throw new Failure('The hosts of this cluster have no key that Farweave has made.', {
      hint: 'Write `access: { rotate: true }` into the cluster file, and apply.',
      exitCode: EXIT.badInput,
    });
  if (former)
    throw new Failure('Hosts are still leaving, and nobody may lose the way to them.', { hint: 'Apply first.' });
  const isIn = ({ name }: { readonly name: string }) => facts[ACCESS_KEY]?.[name] === currentKey(knowledge);
  const isDone = cluster.hosts.every((host) => isIn(host) || parked[host.name] !== undefined);
  const next: Knowledge = allot(cluster, isDone ? { ...knowledge, key: (knowledge.key ?? 1) + 1 } : knowledge);
  const plan = compilePlan(cluster, next, { purpose: 'rotate' });
  const whole = compilePlan(cluster, next);
  return {
    plan,
    digest: digestOf(plan),
    basis: version,
    knowledge: next,
    spared: spared(plan, cluster.secrets, state),
    wanted: { ...wanted! },
    after: { plan: whole, digest: digestOf(whole), part: true },
  };
}
