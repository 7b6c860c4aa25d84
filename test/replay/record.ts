/**
 * Records what `replay.test.ts` replays: `TEMPORAL_CLI=… node test/replay/record.ts`.
 * Add new recordings under a new name; leave the old ones, which stand for rollouts that are under way in the world.
 * Those with `chaos` in their names are from real hosts: `make chaos` leaves them in `build/chaos/<row>/`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { openVault } from '../../src/activities/vault.ts';
import { findTemporal } from '../../src/client/dev/temporal-cli.ts';
import { DIGEST_KEY, type Plan } from '../../src/plan/plan.ts';
import { bundleWorkflows } from '../../src/worker/bundle.ts';
import { createWorker } from '../../src/worker/create.ts';
import { registerSearchAttributes } from '../../src/worker/search-attributes.ts';
import {
  applyUpdate,
  type Control,
  type ControlReply,
  type Controls,
  clusterId,
  clusterUpdate,
  driftId,
  pauseSignal,
  progressQuery,
  resumeSignal,
  rolloutId,
} from '../../src/workflows/contract.ts';
import { Machines } from '../workflow/machines.ts';
import { hostsOf, planOf, toys } from '../workflow/roles.ts';
import { writeHistory } from './history.ts';

const release = process.argv[2] ?? '0.1.0';
const folder = join(import.meta.dirname, 'histories');
const pass = (ms: number) => new Promise((done) => setTimeout(done, ms));

Runtime.install({ logger: new DefaultLogger('ERROR') });
const env = await TestWorkflowEnvironment.createLocal({
  server: { executable: { type: 'existing-path', path: await findTemporal({ progress: console.log }) } },
});
await registerSearchAttributes(env.connection, 'default');
const machines = new Machines();
const state = await mkdtemp(join(tmpdir(), 'farweave-record-'));
const vault = await openVault(state);
const { client } = env;
const taskQueue = 'record';
const worker = await createWorker({
  connection: env.nativeConnection,
  taskQueue,
  vault,
  roles: toys,
  connect: machines.connect,
  workflowBundle: await bundleWorkflows(),
});

await worker.runUntil(async () => {
  await client.workflow.start('cluster', { workflowId: clusterId('old'), taskQueue, args: [{ name: 'old' }] });
  const hosts = hostsOf(2, 1);
  machines.of('vm1').write('srv/slow/pkg.install', '1');
  machines.of('vm2').write('srv/fail/db.start', '1');

  // Paused by hand, paused on a failure, tried again, done.
  const first = await apply(planOf('old', hosts, { onFailure: 'pause' }));
  await pass(500);
  await first.signal(pauseSignal, { by: 'somebody' });
  await pass(1_500);
  await first.signal(resumeSignal, { by: 'somebody' });
  while ((await first.query(progressQuery)).stuck !== true) await pass(50);
  machines.of('vm2').remove('srv/fail');
  await first.signal(resumeSignal, { by: 'somebody' });
  await first.result();
  await save('done', rolloutId('old', 1), `${rolloutId('old', 1)}:survey:site1`, `${rolloutId('old', 1)}:1:site2`);

  // A step fails, and all that was changed is taken back.
  machines.of('vm2').write('srv/fail/db.label', '1');
  for (const name of ['vm1', 'vm2']) for (const file of ['zone', 'key']) machines.of(name).remove(`srv/${file}`);
  await (await apply(planOf('old', hosts))).result().catch(() => {});
  await save('undone', rolloutId('old', 2));

  // Cancelled while a step runs; the retries of another are being waited for.
  machines.of('vm1').write('srv/slow/db.label', '20');
  const third = await apply(planOf('old', hosts, { patience: { CommandFailed: [60_000] } }));
  await pass(2_500);
  await third.cancel();
  await third.result().catch(() => {});
  await save('cancelled', rolloutId('old', 3));

  await client.workflow.execute('look', {
    workflowId: 'look:old:1',
    taskQueue,
    args: [{ plan: planOf('old', hosts), sealed: await sealed(), facts: {} }],
  });
  await save('look', 'look:old:1');
  await save('cluster', clusterId('old'));
  await led();
  await drifted();
});
machines.remove();
await rm(state, { recursive: true });
await env.teardown();

/** What people do to rollouts: a canary that is approved, smaller batches, a host left out, another given up, an undo under guards. */
async function led(): Promise<void> {
  for (const name of ['vm1', 'vm2', 'vm3', 'vm4']) {
    machines.of(name).remove('srv');
    machines.of(name).remove('farweave/owner');
  }
  await client.workflow.start('cluster', { workflowId: clusterId('led'), taskQueue, args: [{ name: 'led' }] });
  const window = { timezone: 'UTC', from: '00:00', to: '00:00' };
  const policy = {
    waves: [['vm1'], ['vm2', 'vm3', 'vm4']],
    canary: true,
    soak: 200,
    approval: { before: 'rest', expires: 600_000 },
    windows: { site1: window, site2: window },
  } as const;
  machines.of('vm4').write('srv/fail/db.start', '1');
  const first = await apply(guarded('led', { onFailure: 'pause', policy }));
  while ((await first.query(progressQuery)).waits?.for !== 'approval') await pass(50);
  await ask(first, 'batch', { size: 1, by: 'somebody' });
  await ask(first, 'approve', { by: 'somebody' });
  await first.signal('skip', { host: 'vm9', by: 'somebody' }); // refused
  while ((await first.query(progressQuery)).stuck !== true) await pass(50);
  await ask(first, 'retry', { host: 'vm4' });
  await pass(1_000);
  while ((await first.query(progressQuery)).stuck !== true) await pass(50);
  await ask(first, 'rollback', { hosts: ['vm4'], by: 'somebody' });
  await first.result();
  await save('led', rolloutId('led', 1), `${rolloutId('led', 1)}:0.1:site1`);

  // Two at once would be too many to disturb, on the way forward and back.
  machines.of('vm4').remove('srv/fail');
  for (const name of ['vm1', 'vm2', 'vm3']) machines.of(name).remove('srv/pkg');
  machines.of('vm3').write('srv/fail/db.label', '1');
  machines.of('vm3').remove('srv/zone');
  const second = await apply(guarded('led', { onFailure: 'rollback', budget: 4 }));
  await second.result().catch(() => {});
  await save('guarded', rolloutId('led', 2));

  machines.of('vm3').write('srv/slow/db.label', '20');
  const third = await apply(guarded('led', { onFailure: 'pause', budget: 3 }));
  await pass(4_000);
  await ask(third, 'cancel', { undo: true, by: 'somebody' });
  await third.result().catch(() => {});
  await save('ended', rolloutId('led', 3));
  await save('led-cluster', clusterId('led'));
}

/** Something has changed on a host: a look finds it, and a repair that is approved mends it. */
async function drifted(): Promise<void> {
  for (const name of ['vm1', 'vm2']) {
    machines.of(name).remove('srv');
    machines.of(name).remove('farweave/owner');
  }
  await client.workflow.start('cluster', { workflowId: clusterId('drifted'), taskQueue, args: [{ name: 'drifted' }] });
  await (await apply(planOf('drifted', hostsOf(2, 1)))).result();
  machines.of('vm2').remove('srv/net.json');
  const workflowId = driftId('drifted', '1');
  await client.workflow.execute('drift', { workflowId, taskQueue, args: [{ cluster: 'drifted', by: 'somebody' }] });
  await save('drift', workflowId);
  await client.workflow
    .getHandle(clusterId('drifted'))
    .executeUpdate(clusterUpdate('repair'), { args: [{ by: 'somebody' }] });
  const repair = client.workflow.getHandle(rolloutId('drifted', 2));
  while ((await repair.query(progressQuery)).waits?.for !== 'approval') await pass(50);
  await ask(repair, 'approve', { by: 'somebody' });
  await repair.result();
  await save('repair', rolloutId('drifted', 2));
  await save('drifted-cluster', clusterId('drifted'));
}

async function ask<Name extends Control>(
  handle: WorkflowHandle,
  control: Name,
  request: Controls[Name],
): Promise<void> {
  await handle.executeUpdate<ControlReply, [Controls[Name]]>(control, { args: [request] });
}

/** As `paused` and `guarded` of test/workflow/control.test.ts. */
function guarded(cluster: string, more: Partial<Plan>): Plan {
  const plan = planOf(cluster, hostsOf(2, 2), more);
  const stages = plan.stages.map((stage) => {
    const { afterChange: _, ...rest } = stage;
    if (stage.operation === 'db.healthy') return { ...rest, spare: 1 };
    if (stage.operation === 'db.initiate') return { ...stage, hosts: ['vm1'] };
    if (stage.operation === 'db.label') return { ...stage, gate: { operation: 'db.healthy', args: {}, secrets: [] } };
    return stage.operation === 'pkg.install' ? { ...stage, disrupts: true as const } : stage;
  });
  return { ...plan, stages };
}

async function apply(plan: Plan) {
  const indexes = Object.fromEntries(plan.hosts.map((host) => [host.name, host.index]));
  const digest = JSON.stringify(plan).length.toString(16).padStart(12, '0');
  const request = { plan, digest, basis: 0, knowledge: { indexes }, sealed: await sealed(), by: 'somebody' };
  const { workflowId } = await client.workflow
    .getHandle(clusterId(plan.cluster))
    .executeUpdate(applyUpdate, { args: [request] });
  return client.workflow.getHandle(workflowId);
}

async function sealed(): Promise<Record<string, string>> {
  return { 'vm.password': await vault.seal('vagrant'), [DIGEST_KEY]: await vault.seal('a key') };
}

async function save(name: string, ...workflowIds: readonly string[]): Promise<void> {
  for (const [n, workflowId] of workflowIds.entries()) {
    const history = await client.workflow.getHandle(workflowId).fetchHistory();
    const site = n > 0 ? `-${workflowId.split(':').slice(3).join('-')}` : '';
    writeHistory(join(folder, `${release}-${name}${site}.json`), history);
  }
}
