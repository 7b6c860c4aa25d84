import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import { digestOf } from '../../src/plan/digest.ts';
import type { Plan } from '../../src/plan/plan.ts';
import {
  type ApplyReply,
  type ApplyRequest,
  applyUpdate,
  type ClusterState,
  clusterId,
  statusQuery,
} from '../../src/workflows/contract.ts';
import type { rollout } from '../../src/workflows/rollout.ts';
import { client, sealed, until } from './drive.ts';

/** Applies a plan as the client would: made from what the cluster knows by now, unless told otherwise. */
export async function apply(
  taskQueue: string,
  plan: Plan,
  { sealed: secrets, ...more }: Partial<ApplyRequest> = {},
): Promise<ApplyReply> {
  const known = await status(plan.cluster).catch(() => undefined);
  const indexes = Object.fromEntries(plan.hosts.map((host) => [host.name, host.index]));
  const startWorkflowOperation = new WithStartWorkflowOperation('cluster', {
    workflowId: clusterId(plan.cluster),
    taskQueue,
    args: [{ name: plan.cluster }],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  const request: ApplyRequest = {
    plan,
    digest: digestOf(plan),
    basis: known?.version ?? 0,
    knowledge: { indexes: { ...known?.knowledge.indexes, ...indexes } },
    sealed: secrets ?? { 'vm.password': (await sealed())['vm.password']! },
    by: 'ada@laptop',
    ...more,
  };
  return client.workflow.executeUpdateWithStart(applyUpdate, { startWorkflowOperation, args: [request] });
}

export const status = (name: string): Promise<ClusterState> =>
  client.workflow.getHandle(clusterId(name)).query(statusQuery);

export const rolloutOf = ({ workflowId }: ApplyReply): WorkflowHandle<typeof rollout> =>
  client.workflow.getHandle<typeof rollout>(workflowId);

/** The cluster once no rollout runs. */
export async function settled(name: string): Promise<ClusterState> {
  await until(async () => (await status(name)).rollout === undefined);
  return status(name);
}
