import { writeFileSync } from 'node:fs';
import { type Bench, type Part, proveDone, Tally } from '../bench.ts';
import { type History, historiesOf } from '../histories.ts';
import type { Place } from '../hosts.ts';
import { peakOf } from '../processes.ts';
import { type Rolled, rollOut } from '../rollouts.ts';
import { stepsOf } from '../work.ts';

/** How many hosts, and in how many sites; in a tenth as many where nothing is said. */
const SITES: Readonly<Record<number, number>> = { 100: 10, 300: 30, 1_000: 40 };
const sitesOf = (size: number): number => SITES[size] ?? Math.max(1, Math.floor(size / 10));

/** Steps of each host: what grows here is the number of hosts. */
const STEPS = 3;

export const d: Part = {
  about: 'full rollouts over many hosts and sites, without failures and with a host failing in each tenth site',
  run: async (bench) => {
    for (const size of bench.sizes ?? Object.keys(SITES).map(Number))
      await grown(bench, await bench.hosts.anew(size), sitesOf(size));
  },
};

async function grown(bench: Bench, hosts: readonly Place[], sites: number): Promise<void> {
  const { stand, version } = bench;
  const tally = new Tally(bench, 'd', hosts.length);
  const shape = { name: `d-${hosts.length}`, hosts, key: bench.hosts.key, sites };
  await stand.anew();
  forgetPeak(stand.server);

  bench.say(`${hosts.length} hosts in ${sites} sites …`);
  const steps = stepsOf(version(), STEPS);
  const full = await rollOut(stand, { ...shape, steps });
  if (full.outcome.state !== 'done') throw new Error(`The rollout has ended ${full.outcome.state}`);
  proveDone(bench, hosts, steps, 'farweave');
  tally.add('farweave', 'full rollout', full.seconds);
  tally.add('farweave', 'seconds a host', full.seconds / hosts.length);

  const failing = hosts.filter((_, n) => n < sites && n % 10 === 0).map(({ name }) => name);
  bench.say(`the same, with ${failing.length} hosts that fail …`);
  const changed = stepsOf(version(), STEPS);
  const hurt = await rollOut(stand, { ...shape, steps: changed, failing });
  const parked = hurt.outcome.parked.toSorted();
  if (parked.join() !== failing.toSorted().join()) throw new Error(`Parked: ${parked.join(', ')}`);
  proveDone(
    bench,
    hosts.filter(({ name }) => !failing.includes(name)),
    changed,
    'farweave',
  );
  tally.add('farweave', 'full rollout, a host failing in each tenth site', hurt.seconds);

  tally.add('farweave', 'worker, at most', Math.max(...stand.workers.map(peakOf)), 'MiB');
  tally.add('farweave', 'server, at most', peakOf(stand.server), 'MiB');
  await weighed(bench, tally, [full, hurt]);
}

/** What the server has to keep. */
async function weighed({ stand }: Bench, tally: Tally, rollouts: readonly Rolled[]): Promise<void> {
  const each: (readonly [History, ...History[]])[] = [];
  for (const { workflowId } of rollouts) each.push(await historiesOf(stand.farweave.client, workflowId));
  const most = (of: 'events' | 'bytes' | 'payload') => Math.max(...each.flat().map((history) => history[of]));
  tally.add('farweave', 'plan', rollouts[0]!.planBytes / 1_024, 'KiB');
  tally.add('farweave', 'plan as it is sent', each[0]![0].input / 1_024, 'KiB');
  tally.add('farweave', 'largest payload', most('payload') / 1_024, 'KiB');
  tally.add('farweave', 'largest history', most('events'), 'events');
  tally.add('farweave', 'largest history in bytes', most('bytes') / 1_024, 'KiB');
  tally.add('farweave', 'workflows', each[0]!.length, '');
  tally.add(
    'farweave',
    'activities',
    each[0]!.reduce((sum, { activities }) => sum + activities, 0),
    '',
  );
}

/** The most memory of a process is counted from here on. */
const forgetPeak = (pid: number) => writeFileSync(`/proc/${pid}/clear_refs`, '5');
