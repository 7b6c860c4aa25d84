import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/plan.ts';
import { apply, rolloutOf, settled } from './applying.ts';
import { connected, outcome, withWorker } from './drive.ts';
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

it('keeps everybody else waiting, and leaves alone what the cluster remembers of its applies', async () => {
  await withWorker(machines, async (queue) => {
    expect((await outcome(rolloutOf(await apply(queue, planOf('backed', hosts))))).state).toBe('done');
    const before = await settled('backed');

    machines.of('vm1').remove('srv/pkg/engine');
    machines.of('vm1').write('srv/hold/pkg.install', '');
    const running = await apply(queue, backupOf('backed'));
    const other = planOf('backed', hosts, { budget: 1 });
    await expect(apply(queue, other)).rejects.toMatchObject({
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
