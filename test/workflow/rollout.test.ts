import { WorkflowIdReusePolicy } from '@temporalio/common';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type LookResult, lookId, progressQuery } from '../../src/workflows/contract.ts';
import { client, connected, measure, outcome, sealed, start, until, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

const names = ['vm1', 'vm2', 'vm3', 'vm4'];
const times = (name: string, what: string) => machines.of(name).log.filter((line) => line === what).length;

it('rolls out, and a second rollout only looks: one activity a host', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('first');
    const handle = await start(queue, plan);
    const first = await outcome(handle);
    expect(first).toMatchObject({ state: 'done', parked: [], problems: [], changed: 25 });
    expect(machines.of('vm1').read('srv/peers')).toContain('vm4 key-of-vm4');
    expect(names.map((name) => times(name, 'db.initiate'))).toEqual([1, 0, 0, 0]);
    for (const name of names) {
      expect(machines.of(name).list('farweave/receipts')).toEqual([]);
    }
    const { steps } = await handle.query(progressQuery);
    expect(steps['06-db.initiate']).toEqual({ vm1: 'done', vm2: 'skipped', vm3: 'skipped', vm4: 'skipped' });
    expect(steps['08-db.healthy']).toEqual(Object.fromEntries(names.map((name) => [name, 'unchanged'])));
    expect((await measure('first', 1)).types).toEqual({
      'host.survey': 4 + 4, // four of them ask who has initiated the set
      'pkg.install': 4,
      'host.converge': 8, // two lanes
      'db.initiate': 1,
      'db.label': 4,
      'host.gate': 4,
      'db.healthy': 4,
      'host.settle': 4,
    });

    const again = await start(queue, plan, { revision: 2, facts: first.facts });
    expect(await outcome(again)).toMatchObject({ state: 'done', changed: 0 });
    expect((await measure('first', 2)).types).toEqual({ 'host.survey': 4 });
    expect((await again.query(progressQuery)).steps).toMatchObject({
      '00-sys.supported': { vm1: 'unchanged' },
      '04-net.join': { vm1: 'unchanged' },
      '06-db.initiate': { vm1: 'unchanged' },
      '08-db.healthy': { vm1: 'skipped' },
    });
  });
});

it('joins the others anew to a host that was rebuilt, forgets one that has left, and does nothing twice that is done once', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('rebuilt', undefined, { budget: 0 });
    const first = await outcome(await start(queue, plan));
    const oldKey = machines.of('vm1').read('srv/key')!.trim();
    machines.of('vm1').remove('srv');
    machines.of('vm1').write('hostkey', 'SHA256:new');
    const hosts = plan.hosts
      .slice(0, 3)
      .map((host) => (host.name === 'vm1' ? { ...host, hostKey: 'SHA256:new' } : host));
    const third = await outcome(await start(queue, planOf('rebuilt', hosts), { revision: 2, facts: first.facts }));
    expect(third).toMatchObject({ state: 'done', parked: [] });
    const newKey = machines.of('vm1').read('srv/key')!.trim();
    expect(newKey).not.toBe(oldKey);
    expect(machines.of('vm2').read('srv/peers')).toContain(`vm1 ${newKey}`);
    expect(machines.of('vm2').read('srv/peers')).not.toContain('vm4');
    expect(times('vm1', 'db.initiate') + times('vm2', 'db.initiate')).toBe(0);
    expect(times('vm2', 'pkg.install')).toBe(1);
    expect(Object.keys(third.facts['net.key'] ?? {}).toSorted()).toEqual(['vm1', 'vm2', 'vm3']);
  });
});

it('waits for what can only be checked, as long as its time lasts', async () => {
  machines.of('vm1').write('srv/health', 'ill');
  await withWorker(machines, async (queue) => {
    const plan = planOf('check', hostsOf(1, 1));
    const handle = await start(queue, plan);
    await until(() => (machines.of('vm1').read('srv/checks') ?? '').split('\n').length > 2);
    machines.of('vm1').write('srv/health', 'well');
    expect((await outcome(handle)).state).toBe('done');
    machines.of('vm1').write('srv/health', 'ill');
    machines.of('vm1').remove('srv/zone');
    const failed = await outcome(await start(queue, plan, { revision: 2 }));
    expect(failed.problems).toMatchObject([{ stage: '08-db.healthy', type: 'NotConverged' }]);
    expect(failed.problems[0]?.message).toBe('db.healthy on vm1: ill, not well');
  });
});

it('shows in a look what is, what should be and what would run, and changes nothing', async () => {
  await withWorker(machines, async (taskQueue) => {
    machines.of('vm2').write('srv/net.json', '{"mtu":9000}');
    machines.of('vm3').write('unreachable');
    const plan = planOf('look');
    const { 'vm.password': password } = await sealed();
    const result = await client.workflow.execute<(input: object) => Promise<LookResult>>('look', {
      workflowId: lookId('look', 'one'),
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      taskQueue,
      args: [{ plan, sealed: { 'vm.password': password }, facts: {} }],
    });
    expect(result.problems).toMatchObject([{ host: 'vm3', type: 'Unreachable' }]);
    expect(result.findings['vm2']?.['02-net.configure']).toMatchObject({
      is: 'no',
      now: '{"mtu":9000}',
      wanted: '{"mtu":1400}',
    });
    expect(result.findings['vm1']?.['05-db.start']?.commands).toContain('$fw_db_password_raw');
    expect(result.findings['vm1']?.['06-db.initiate']).toMatchObject({ is: 'unknown' });
    expect(result.findings['vm1']?.['00-sys.supported']).toEqual({ is: 'yes' });
    for (const name of names) expect(machines.of(name).list('jobs')).toEqual([]);
    const some = await client.workflow.execute<(input: object) => Promise<LookResult>>('look', {
      workflowId: lookId('look', 'two'),
      taskQueue,
      args: [{ plan, hosts: ['vm2', 'vm4'], sealed: { 'vm.password': password }, facts: {} }],
    });
    expect(Object.keys(some.findings).toSorted()).toEqual(['vm2', 'vm4']);
  });
});
