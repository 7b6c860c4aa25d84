import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startServer } from '../../src/client/dev/server.ts';
import { registerSearchAttributes } from '../../src/worker/search-attributes.ts';
import { rolloutId } from '../../src/workflows/contract.ts';
import type { rollout } from '../../src/workflows/rollout.ts';
import { connected, measure, outcome, sealed, start, until, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';
import { endOf, inOtherProcess } from './worker-child.ts';

connected();
let machines: Machines;
let children: ChildProcess[];
beforeEach(() => {
  machines = new Machines();
  children = [];
});
afterEach(async () => {
  await Promise.all(children.map((child) => endOf(child, 'SIGKILL')));
  machines.remove();
});

const worker = async (queue: string, address?: string) => {
  const child = await inOtherProcess(machines, queue, address);
  children.push(child);
  return child;
};
const STEPS = ['pkg.install', 'net.configure', 'net.createKey', 'net.join', 'db.start', 'db.label'];
/** How often each script ran on each host, as `vm1 pkg.install: 1`, where it is not once. */
const notOnce = (hosts: number) =>
  hostsOf(1, hosts).flatMap(({ name }) =>
    STEPS.filter((step) => hosts > 1 || step !== 'net.join') // alone there is nobody to join
      .map((step) => [step, machines.of(name).log.filter((line) => line === step).length] as const)
      .filter(([, times]) => times !== 1)
      .map(([step, times]) => `${name} ${step}: ${times}`),
  );
const dawdle = (hosts: number, seconds: number) => {
  for (const { name } of hostsOf(1, hosts))
    for (const step of STEPS) machines.of(name).write(`srv/slow/${step}`, String(seconds));
};

/** Seconds from the end of the only worker to the next step, with the next worker there at once. */
async function handover(signal: 'SIGKILL' | 'SIGTERM', nth: number): Promise<number> {
  const queue = randomUUID();
  const vm1 = machines.of('vm1');
  vm1.remove('srv');
  vm1.write('srv/hold/pkg.install');
  const child = await worker(queue);
  const handle = await start(queue, planOf(`handover-${signal}-${nth}`.toLowerCase(), hostsOf(1, 1)));
  await until(() => vm1.log.includes('pkg.install'));
  // Anywhere between two heartbeats.
  await pass(nth * 900);
  const gone = endOf(child, signal);
  let began = performance.now();
  return withWorker(
    machines,
    async () => {
      if (signal === 'SIGKILL') began = performance.now();
      vm1.remove('srv/hold/pkg.install');
      await until(() => vm1.log.includes('net.configure'));
      const seconds = (performance.now() - began) / 1_000;
      await gone;
      expect((await outcome(handle)).state).toBe('done');
      expect(notOnce(1)).toEqual([]);
      return seconds;
    },
    queue,
  );
}

it.each([
  ['SIGKILL', 15],
  ['SIGTERM', 3],
] as const)(
  'goes on soon after the only worker was ended by %s (within %d s)',
  async (signal, bound) => {
    const seconds: number[] = [];
    for (let nth = 0; nth < 4; nth++) seconds.push(await handover(signal, nth));
    const [, second, third, last] = seconds.toSorted((a, b) => a - b) as [number, number, number, number];
    console.log(
      `${signal}: median ${((second + third) / 2).toFixed(1)} s, most ${last.toFixed(1)} s of ${seconds.length}`,
    );
    expect(last).toBeLessThan(bound);
  },
  180_000,
);

it('runs every script once though its only worker is killed at any moment, again and again', async () => {
  dawdle(2, 0.4);
  const queue = randomUUID();
  const handle = await start(queue, planOf('any-moment', hostsOf(1, 2)));
  const moments: number[] = [];
  let ended = false;
  const result = outcome(handle).finally(() => {
    ended = true;
  });
  while (!ended && moments.length < 4) {
    const child = await worker(queue);
    // From the first workflow task to the middle of a script; where the last was lost, its activities come back after 10 s.
    moments.push(Math.round((moments.length > 0 ? 9_000 : 0) + Math.random() * 4_000));
    await Promise.race([pass(moments.at(-1)), result]);
    await endOf(child, 'SIGKILL');
  }
  await worker(queue);
  const told = `killed after ${moments.join(', ')} ms`;
  expect((await result).state, `state: ${told}`).toBe('done');
  expect(notOnce(2), `scripts: ${told}`).toEqual([]);
}, 180_000);

it('goes on at once where other workers take from the same queue, and runs every script once', async () => {
  dawdle(4, 0.5);
  const queue = randomUUID();
  const [one] = await Promise.all([worker(queue), worker(queue), worker(queue)]);
  const handle = await start(queue, planOf('side-by-side', hostsOf(2, 2)));
  await until(() => machines.of('vm1').log.includes('net.configure'));
  await endOf(one, 'SIGKILL');
  expect((await outcome(handle)).state).toBe('done');
  expect(notOnce(4)).toEqual([]);
}, 120_000);

it('goes on after the Temporal server was killed and started again under it', async () => {
  dawdle(1, 1);
  const folder = mkdtempSync(join(tmpdir(), 'farweave-server-'));
  const quiet = { env: process.env, progress: () => {} };
  let server = await startServer(folder, undefined, quiet);
  const address = `127.0.0.1:${server.port}`;
  const connection = await Connection.connect({ address });
  try {
    await registerSearchAttributes(connection, 'default');
    const queue = randomUUID();
    await worker(queue, address);
    const plan = planOf('server', hostsOf(1, 1));
    const handle = await new Client({ connection }).workflow.start<typeof rollout>('rollout', {
      args: [{ plan, revision: 1, sealed: await sealed(), facts: {} }],
      taskQueue: queue,
      workflowId: rolloutId('server', 1),
    });
    await until(() => machines.of('vm1').log.includes('pkg.install'));
    process.kill(server.pid, 'SIGKILL');
    await pass(1_500); // the script ends meanwhile, and nobody can be told
    const { port } = server;
    server = await startServer(folder, server, quiet);
    expect(server.port).toBe(port);
    // The client's own connection may have to come back first.
    await until(async () => (await handle.describe().catch(() => undefined))?.status.name === 'COMPLETED');
    expect(notOnce(1)).toEqual([]);
  } finally {
    process.kill(server.pid, 'SIGKILL');
    await connection.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}, 120_000);

// Slow on a small machine: every host has a real shell. As in figures.test.ts.
it.each(process.env['FIGURES'] ? [100] : [])(
  'a worker with %i hosts at once is not taken for dead',
  async (count) => {
    const hosts = hostsOf(5, count / 5);
    for (const { name } of hosts) machines.of(name).write('srv/slow/pkg.install', '20');
    const queue = randomUUID();
    await worker(queue);
    const handle = await start(queue, planOf('hundred', hosts));
    expect((await outcome(handle)).state).toBe('done');
    await pass(1_500); // the server lists what has ended a moment later
    expect((await measure('hundred', 1)).attempts).toBe(1);
    expect(notOnce(100)).toEqual([]);
  },
  300_000,
);
