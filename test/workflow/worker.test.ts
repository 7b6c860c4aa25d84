import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { planQuery, progressQuery } from '../../src/workflows/contract.ts';
import { connected, measure, outcome, start, until, vaultFolder, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf, toys } from './roles.ts';

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

const times = (name: string, what: string) => machines.of(name).log.filter((line) => line === what).length;

async function inOtherProcess(taskQueue: string): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('worker-process.ts', import.meta.url));
  const args = [program, inject('address'), taskQueue, inject('bundlePath'), machines.folder, vaultFolder];
  const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((ready, failed) => {
    started.stdout.once('data', () => ready());
    started.once('exit', (code) => failed(new Error(`the worker ended with ${code}`)));
  });
  return started;
}

it('goes on with what runs when its worker is killed, and runs it once', async () => {
  machines.of('vm1').write('srv/slow/db.start', '4');
  const queue = randomUUID();
  child = await inOtherProcess(queue);
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
  child = await inOtherProcess(queue);
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

it('lets go of what runs when its worker shuts down; the next one follows it, though its roles are in another order', async () => {
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
  const reordered = toys.map((role) => ({ ...role, operations: role.operations.toReversed() }));
  await withWorker(
    machines,
    async () => {
      expect(await handle.query(progressQuery)).toMatchObject({ state: 'rolling' });
      expect(await handle.query(planQuery)).toEqual(plan);
      expect(await outcome(handle)).toMatchObject({ state: 'done' });
      expect(times('vm1', 'pkg.install')).toBe(1);
    },
    queue,
    { roles: reordered },
  );
}, 60_000);
