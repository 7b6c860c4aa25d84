import { type Aim, compilePlan } from '../plan/compile.ts';
import { digestOf } from '../plan/digest.ts';
import type { Cluster } from '../spec/cluster.ts';
import type { ClusterView } from '../workflows/contract.ts';
import { Failure } from './errors.ts';
import type { Draft } from './index.ts';
import { spared } from './spared.ts';

/** Throws a `Failure` while hosts are leaving: they would be forgotten by what the cluster is kept as afterwards. */
export function noneLeaves({ former }: ClusterView): void {
  if (former)
    throw new Failure('Hosts are still leaving, and nobody may lose the way to them.', { hint: 'Apply first.' });
}

/** A rollout of a part of what a cluster is, which stays kept as the whole that it was. */
export function partOf(state: ClusterView, cluster: Cluster, purpose: Aim, knowledge = state.knowledge): Draft {
  const plan = compilePlan(cluster, knowledge, { purpose });
  const whole = compilePlan(cluster, knowledge);
  return {
    plan,
    digest: digestOf(plan),
    basis: state.version,
    knowledge,
    spared: spared(plan, cluster.secrets, state),
    wanted: { ...state.wanted! },
    after: { plan: whole, digest: digestOf(whole), part: true },
  };
}
