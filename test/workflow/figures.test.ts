import { setTimeout as pass } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { connected, measure, outcome, start, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();

/** Prints what a rollout costs. `FIGURES=1` adds the large one, which is slow on a small machine: every host has a real shell. */
const sizes: readonly (readonly [sites: number, each: number])[] = process.env['FIGURES']
  ? [
      [3, 1],
      [6, 10],
    ]
  : [[3, 1]];

it.each(sizes)(
  '%d sites of %d: the number of activities follows from the plan',
  async (sites, each) => {
    const machines = new Machines();
    const hosts = hostsOf(sites, each);
    const plan = planOf(`figures-${hosts.length}`, hosts);
    await withWorker(machines, async (queue) => {
      const rows = [];
      let facts = {};
      for (const revision of [1, 2]) {
        const began = performance.now();
        const ended = await outcome(await start(queue, plan, { revision, facts }));
        const seconds = ((performance.now() - began) / 1_000).toFixed(1);
        facts = ended.facts;
        await pass(1_500); // the server lists what has ended a moment later
        const { activities, workflows, largest, bytes } = await measure(plan.cluster, revision);
        rows.push({
          hosts: hosts.length,
          revision,
          changed: ended.changed,
          activities,
          workflows,
          'largest history': `${largest} events, ${Math.round(bytes / 1024)} KiB`,
          seconds,
        });
        expect(ended.state).toBe('done');
      }
      console.table(rows);
      console.log(`plan: ${JSON.stringify(plan).length} bytes`);
      expect(rows.map(({ activities }) => activities)).toEqual([
        hosts.length * (1 + 1 + 2 + 1 + 1 + 1 + 1 + 1) + 1,
        hosts.length,
      ]);
    });
    machines.remove();
  },
  300_000,
);
