import { afterEach, beforeEach, expect, it } from 'vitest';
import { connected, measure, outcome, start, until, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

it('rolls out, and a second rollout only looks: one activity a host', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('first');
    const first = await outcome(await start(queue, plan));
    expect(first).toMatchObject({ state: 'done', parked: [], problems: [], changed: 25 });
    expect(machines.of('vm1').read('srv/peers')).toContain('vm4 key-of-vm4');
    const initiated = ['vm1', 'vm2', 'vm3', 'vm4']
      .flatMap((name) => machines.of(name).log)
      .filter((line) => line === 'db.initiate');
    expect(initiated).toHaveLength(1);
    for (const name of ['vm1', 'vm2', 'vm3', 'vm4']) expect(machines.of(name).list('farweave/receipts')).toEqual([]);
    const { histories: _, ...figures } = await measure('first', 1);
    console.log('first', JSON.stringify(figures));

    const second = await outcome(await start(queue, plan, { revision: 2, facts: first.facts }));
    expect(second).toMatchObject({ state: 'done', changed: 0 });
    const again = await measure('first', 2);
    expect(again.types).toEqual({ 'host.survey': 4 });
  });
});
