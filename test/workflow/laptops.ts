import { type Client, WithStartWorkflowOperation } from '@temporalio/client';
import type { Vault } from '../../src/activities/vault.ts';
import { digestOf } from '../../src/plan/digest.ts';
import type { Plan } from '../../src/plan/plan.ts';
import {
  type ApplyReply,
  type ApplyRequest,
  applyUpdate,
  type ClusterState,
  clusterId,
  type Outcome,
  outcomeOf,
  statusQuery,
} from '../../src/workflows/contract.ts';
import { CANARIES, client, elsewhere, until, vault, withWorker } from './drive.ts';
import { ELSEWHERE } from './elsewhere.ts';
import type { Machines } from './machines.ts';

/** A laptop: a server, and a worker with keys of its own. */
export interface Laptop {
  readonly client: Client;
  readonly queue: string;
  readonly vault: Vault;
  readonly by: string;
}

/** Two laptops with the same hosts, while `act` lasts. */
export async function withTwo(
  machines: Machines,
  otherVault: Vault,
  act: (ada: Laptop, bob: Laptop) => Promise<void>,
): Promise<void> {
  await withWorker(machines, (queue) =>
    withWorker(
      machines,
      (there) =>
        act(
          { client, queue, vault, by: 'ada@laptop' },
          { client: elsewhere, queue: there, vault: otherVault, by: 'bob@desk' },
        ),
      undefined,
      { namespace: ELSEWHERE, vault: otherVault },
    ),
  );
}

export const cluster = ({ client: own, queue }: Laptop, name: string) => ({
  handle: own.workflow.getHandle(clusterId(name)),
  startWorkflowOperation: new WithStartWorkflowOperation('cluster', {
    workflowId: clusterId(name),
    taskQueue: queue,
    args: [{ name }],
    workflowIdConflictPolicy: 'USE_EXISTING',
  }),
});

export async function apply(laptop: Laptop, plan: Plan, more: Partial<ApplyRequest> = {}): Promise<ApplyReply> {
  const { startWorkflowOperation } = cluster(laptop, plan.cluster);
  const password = await laptop.vault.seal(CANARIES['vm.password']);
  const request: ApplyRequest = {
    plan,
    digest: digestOf(plan),
    basis: 0,
    knowledge: { indexes: Object.fromEntries(plan.hosts.map((host) => [host.name, host.index])) },
    sealed: { 'vm.password': password },
    by: laptop.by,
    ...more,
  };
  return laptop.client.workflow.executeUpdateWithStart(applyUpdate, { startWorkflowOperation, args: [request] });
}

export async function rolledOut(laptop: Laptop, plan: Plan, more: Partial<ApplyRequest> = {}): Promise<Outcome> {
  const { workflowId } = await apply(laptop, plan, more);
  const result = laptop.client.workflow.getHandle<() => Promise<Outcome>>(workflowId).result();
  const ended = await result.catch((error: unknown) => outcomeOf(error)!);
  await until(async () => (await status(laptop, plan.cluster)).rollout === undefined);
  return ended;
}

export const status = (laptop: Laptop, name: string): Promise<ClusterState> =>
  cluster(laptop, name).handle.query(statusQuery);
