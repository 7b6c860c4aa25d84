import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { clusterId, hostUpdate } from '../../src/workflows/contract.ts';
import { status } from './applying.ts';
import { client, connected, measure, until } from './drive.ts';
import { rested, serving } from './living.ts';
import { Machines } from './machines.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

const KEY = `SHA256:${'k'.repeat(43)}`;

it('loses neither a request nor the rollout that runs while it continues as new three times and more', async () => {
  await serving(
    machines,
    async (cluster) => {
      const handle = client.workflow.getHandle(clusterId(cluster));
      const add = (name: string, n: number) =>
        handle.executeUpdate(hostUpdate('addHost'), {
          args: [{ host: { name, site: 'ams', address: `192.0.2.${n}` }, by: 'ada' }],
        });
      machines.of('vm3').write('srv/hold/db.start');
      await add('vm3', 100);
      await until(async () => (await status(cluster)).rollout?.revision === 2);
      await add('vm4', 101);
      const runs = new Set<string>();
      // Each request and its withdrawal are some events in the cluster's history.
      for (let n = 0; runs.size < 5; n++) {
        const { id } = await add('vm9', 109);
        await handle.executeUpdate(hostUpdate('withdrawHost'), { args: [{ id }] });
        runs.add((await handle.describe()).runId);
        expect(n).toBeLessThan(200);
      }
      expect(await status(cluster)).toMatchObject({ rollout: { revision: 2 } });
      const [first, second] = (await status(cluster)).requests ?? [];
      expect([first, second]).toMatchObject([
        { id: 'h1', state: 'running' },
        { id: 'h2', state: 'waiting' },
      ]);
      machines.of('vm3').remove('srv/hold');
      const state = await rested(cluster);
      expect(state.wanted?.hosts).toEqual(['vm0', 'vm1', 'vm3', 'vm4']);
      expect(state.last).toMatchObject({ revision: 3, state: 'done' });
      for (const runId of runs) {
        const { events } = await client.workflow.getHandle(clusterId(cluster), runId).fetchHistory();
        expect(events?.length).toBeLessThan(5_000);
      }
    },
    'life-continued',
    ['vm0', 'vm1'],
  );
});

describe('the price of one more host', () => {
  // A survey of each host, one lane on each of the others (its peers have changed), three on the new one; and what the rollout itself needs.
  it.each([3, 100])(
    'is a survey a host, one step on each of %d others, and what the new one needs',
    async (count) => {
      const hosts = Array.from({ length: count }, (_, n) => `vm${n}`);
      await serving(
        machines,
        async (cluster) => {
          const handle = client.workflow.getHandle(clusterId(cluster));
          const host = { name: 'newcomer', site: 'ams', address: '192.0.2.250' };
          await handle.executeUpdate(hostUpdate('addHost'), { args: [{ host, by: 'ada' }] });
          expect((await rested(cluster)).requests).toMatchObject([{ state: 'done' }]);
          const { activities, types, largest } = await measure(cluster, 2);
          console.log(`one host to ${count}: ${activities} activities, largest history ${largest} events`, types);
          // Ten hosts share one, where there are more.
          const surveys =
            count + 1 > 10 ? { 'hosts.survey': Math.ceil((count + 1) / 10) } : { 'host.survey': count + 1 };
          expect(types).toMatchObject(surveys);
          const changed = hosts.filter((name) => machines.of(name).log.length > 4);
          expect(changed).toHaveLength(count);
          for (const name of hosts) expect(machines.of(name).log.slice(4)).toEqual(['net.join']);
          expect(activities).toBeLessThanOrEqual(3 * count + 12);
        },
        `life-price-${count}`,
        hosts,
      );
    },
    300_000,
  );
});

describe('the examples', () => {
  let queue = '';
  const run = async (program: string, ...args: readonly string[]) => {
    const server = { TEMPORAL_ADDRESS: inject('address'), TEMPORAL_HTTP: inject('http'), FARWEAVE_TASK_QUEUE: queue };
    const child = spawn(program, args, { env: { ...process.env, ...server } });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [exitCode] = (await once(child, 'close')) as [number];
    return { exitCode, said };
  };

  it('add a host by signal, follow events, and do both with curl', async () => {
    await serving(
      machines,
      async (cluster, taskQueue) => {
        queue = taskQueue;
        machines.of('vm3').write('hostkey', KEY);
        const added = await run(process.execPath, 'examples/add-host.ts', cluster, 'vm3', 'fra', '192.0.2.13', KEY);
        expect(added).toMatchObject({ exitCode: 0, said: expect.stringMatching(/h1: done, revision 2\n$/) as string });
        const twice = await run(process.execPath, 'examples/add-host.ts', cluster, 'vm3', 'fra', '192.0.2.14');
        expect(twice).toMatchObject({ exitCode: 1, said: expect.stringContaining('vm3 is there already') as string });

        expect(await run('examples/http.sh', cluster, 'remove', 'vm3')).toMatchObject({ exitCode: 0 });
        await until(async () => (await status(cluster)).requests?.[1]?.state === 'done');
        expect((await status(cluster)).wanted?.hosts).toEqual(['vm0', 'vm1']);
        const asked = await run('examples/http.sh', cluster, 'status');
        expect(JSON.parse(asked.said)).toMatchObject({ queryResult: [{ revision: 3, last: { state: 'done' } }] });
        expect(await run('examples/http.sh', cluster, 'add', 'vm4', 'fra', '192.0.2.15')).toMatchObject({
          exitCode: 0,
        });
        await until(async () => (await status(cluster)).requests?.[2]?.state === 'asking');
        expect(await run('examples/http.sh', cluster, 'add', '"x"', 'fra', '192.0.2.15')).toMatchObject({
          exitCode: 2,
        });

        const followed = await run(process.execPath, 'examples/follow.ts', cluster, '--once');
        expect(followed.exitCode).toBe(0);
        expect(followed.said).toMatch(/h1: add vm3 \(fra\) \(a script\)\n[^]*h2: remove vm3 \(curl\)/);
      },
      'life-examples',
      ['vm0', 'vm1'],
    );
  });
});
