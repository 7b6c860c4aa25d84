import { WithStartWorkflowOperation } from '@temporalio/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { digestOf } from '../../src/plan/digest.ts';
import type { Plan } from '../../src/plan/plan.ts';
import {
  type ApplyReply,
  applyUpdate,
  type ClusterState,
  clusterId,
  statusQuery,
} from '../../src/workflows/contract.ts';
import type { rollout } from '../../src/workflows/rollout.ts';
import { client, connected, outcome, sealed, until, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

const hosts = hostsOf(1, 2);
const backupOf = (name: string): Plan => ({ ...planOf(name, hosts), purpose: 'backup' });

async function apply(taskQueue: string, plan: Plan, basis: number): Promise<ApplyReply> {
  const { 'vm.password': password } = await sealed();
  const indexes = Object.fromEntries(plan.hosts.map((host) => [host.name, host.index]));
  const request = { plan, digest: digestOf(plan), basis, knowledge: { indexes }, sealed: { 'vm.password': password! } };
  const startWorkflowOperation = new WithStartWorkflowOperation('cluster', {
    workflowId: clusterId(plan.cluster),
    taskQueue,
    args: [{ name: plan.cluster }],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  return client.workflow.executeUpdateWithStart(applyUpdate, {
    startWorkflowOperation,
    args: [{ ...request, by: 'a test' }],
  });
}

const rolloutOf = ({ workflowId }: ApplyReply) => client.workflow.getHandle<typeof rollout>(workflowId);

async function settled(name: string): Promise<ClusterState> {
  const status = () => client.workflow.getHandle(clusterId(name)).query(statusQuery);
  await until(async () => (await status()).rollout === undefined);
  return status();
}

it('keeps everybody else waiting, and leaves alone what the cluster remembers of its applies', async () => {
  await withWorker(machines, async (queue) => {
    expect((await outcome(rolloutOf(await apply(queue, planOf('backed', hosts), 0)))).state).toBe('done');
    const before = await settled('backed');

    machines.of('vm1').remove('srv/pkg/engine');
    machines.of('vm1').write('srv/hold/pkg.install', '');
    const running = await apply(queue, backupOf('backed'), 1);
    const other = planOf('backed', hosts, { budget: 1 });
    await expect(apply(queue, other, 1)).rejects.toMatchObject({
      cause: { type: 'RolloutRunning', message: expect.stringContaining('backup for 2 hosts') as string },
    });
    machines.of('vm1').remove('srv/hold/pkg.install');
    expect((await outcome(rolloutOf(running))).state).toBe('done');

    const { last, revisions, facts, version } = await settled('backed');
    expect({ last, revisions, facts, version }).toEqual({
      last: before.last,
      revisions: before.revisions,
      facts: before.facts,
      version: before.version,
    });
  });
});
