import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import * as z from 'zod';
import { type Operation, operation, yes } from '../../src/roles/operation.ts';
import { sh } from '../../src/ssh/command.ts';
import { planQuery, progressQuery } from '../../src/workflows/contract.ts';
import { connected, measure, outcome, start, until, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf, toys } from './roles.ts';
import { inOtherProcess } from './worker-child.ts';

connected();
let machines: Machines;
let child: ChildProcess | undefined;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => {
  child?.kill('SIGKILL');
  machines.remove();
});

/** Operations in another order and one more of them, and an argument that plans of the older build do not give. */
const added = operation('sys.added', z.object({}), { kind: 'check', probe: () => sh`true`, judge: () => yes() });
const channel = z.object({ package: z.string(), channel: z.string().default('stable') });
const newer = toys.map((role) => ({
  ...role,
  operations: [
    added as unknown as Operation,
    ...role.operations.toReversed().map((each) => (each.name === 'pkg.install' ? { ...each, args: channel } : each)),
  ],
}));

const times = (name: string, what: string) => machines.of(name).log.filter((line) => line === what).length;

it('goes on with what runs when its worker is killed, and runs it once', async () => {
  machines.of('vm1').write('srv/slow/db.start', '4');
  const queue = randomUUID();
  child = await inOtherProcess(machines, queue);
  const handle = await start(queue, planOf('killed', hostsOf(1, 2)));
  await until(() => times('vm1', 'db.start') === 1);
  child.kill('SIGKILL');
  await withWorker(
    machines,
    async () => {
      expect(await outcome(handle)).toMatchObject({ state: 'done', changed: 13 });
      for (const name of ['vm1', 'vm2'])
        for (const what of ['pkg.install', 'net.join', 'db.start']) expect(times(name, what)).toBe(1);
      expect((await measure('killed', 1)).attempts).toBeGreaterThan(1);
    },
    queue,
  );
}, 120_000);

it('undoes a change whose worker was killed before it could report', async () => {
  machines.of('vm1').write('srv/slow/db.start', '3');
  machines.of('vm2').write('srv/fail/db.label', '1');
  const queue = randomUUID();
  child = await inOtherProcess(machines, queue);
  const handle = await start(queue, planOf('unreported', hostsOf(1, 2)));
  await until(() => times('vm1', 'db.start') === 1);
  child.kill('SIGKILL');
  await until(() => machines.of('vm1').read('srv/db') !== undefined); // done, and nobody knows
  await withWorker(
    machines,
    async () => {
      expect((await outcome(handle)).state).toBe('undone');
      for (const name of ['vm1', 'vm2'])
        for (const file of ['db', 'peers', 'key', 'net.json'])
          expect(machines.of(name).read(`srv/${file}`)).toBeUndefined();
    },
    queue,
  );
}, 120_000);

it('lets go of what runs when its worker shuts down; the next one follows it, though it is of a newer build', async () => {
  machines.of('vm1').write('srv/slow/pkg.install', '4');
  const queue = randomUUID();
  const plan = planOf('shutdown', hostsOf(1, 1));
  const handle = await withWorker(
    machines,
    async () => {
      const started = await start(queue, plan);
      await until(() => times('vm1', 'pkg.install') === 1);
      return started;
    },
    queue,
  );
  expect(machines.of('vm1').read('srv/pkg/engine')).toBeUndefined();
  await withWorker(
    machines,
    async () => {
      expect(await handle.query(progressQuery)).toMatchObject({ state: 'rolling' });
      expect(await handle.query(planQuery)).toEqual(plan);
      expect(await outcome(handle)).toMatchObject({ state: 'done' });
      expect(times('vm1', 'pkg.install')).toBe(1);
    },
    queue,
    { roles: newer },
  );
}, 60_000);
