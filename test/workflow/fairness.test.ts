import { setTimeout as pass } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lookId } from '../../src/workflows/contract.ts';
import type { look } from '../../src/workflows/look.ts';
import { client, connected, sealed, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

const LARGE = 60;
const SMALL = 5;

it('does not let a cluster of many hosts keep one of few from its turn', async () => {
  const asked = new Set<string>();
  const connect: Machines['connect'] = async (target) => {
    asked.add(target.name);
    await pass(150);
    return machines.connect(target);
  };
  await withWorker(
    { connect },
    async (taskQueue) => {
      const large = await lookAt('large', LARGE, taskQueue);
      while (asked.size < 4) await pass(20);
      const small = await lookAt('small', SMALL, taskQueue);
      await small.result();
      const order = [...asked];
      // One after the other it would be all 60 before them; in turns as many as there are of the small one, and what was under way.
      expect(order.findLastIndex((name) => name.startsWith('small'))).toBeLessThan(LARGE / 3);
      await large.result();
      expect(asked.size).toBe(LARGE + SMALL);
    },
    undefined,
    { concurrency: 2 },
  );
});

async function lookAt(cluster: string, count: number, taskQueue: string) {
  const hosts = hostsOf(1, count).map((host) => ({ ...host, name: `${cluster}-${host.name}` }));
  return client.workflow.start<typeof look>('look', {
    workflowId: lookId(cluster, 'fair'),
    taskQueue,
    args: [{ plan: planOf(cluster, hosts), sealed: await sealed(), facts: {} }],
  });
}
