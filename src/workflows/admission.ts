import { ApplicationFailure } from '@temporalio/workflow';
import type { Packed } from '../plan/pack.ts';
import type { ApplyRequest, ClusterState, Refusal } from './contract.ts';

/**
 * Whether a plan may be rolled out now. Throws what the sender is told if not. Synchronous: the SDK ignores what an
 * asynchronous validator says.
 */
export function admit(
  name: string,
  state: ClusterState,
  { plan, digest, basis, knowledge }: Packed<ApplyRequest>,
): void {
  if (plan.cluster !== name)
    throw refused('InvalidRequest', `this is the cluster ${name}, the plan is for ${plan.cluster}`);
  const running = state.rollout;
  if (running?.digest === digest) return;
  if (basis !== state.version && !holdsStill(state, knowledge))
    throw refused(
      'PlanOutdated',
      `the plan was made from version ${basis} of what is known of ${name}, which has version ${state.version} by now: plan again`,
    );
  // A verification gives way to whoever comes; a rollout that is stuck to a mended plan, not to somebody who only looks.
  if (!running || running.purpose === 'verify' || (running.stuck && plan.purpose === 'apply')) return;
  const what = running.state === 'paused' ? 'is paused' : 'is under way';
  throw refused(
    'RolloutRunning',
    `revision ${running.revision} of ${name} ${what} (${running.workflowId}): wait until it has ended, or cancel it first`,
  );
}

export function refused(type: Refusal, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}

/** Plans depend on nothing but the hosts' indexes: one that gives every known host its own would come out the same. */
function holdsStill({ knowledge: { indexes } }: ClusterState, wanted: ApplyRequest['knowledge']): boolean {
  return Object.entries(indexes).every(([host, index]) => wanted.indexes[host] === index);
}
