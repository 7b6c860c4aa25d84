import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, bare, type Part, REPEATS, Tally } from '../bench.ts';
import type { Subject } from '../figures.ts';
import { delayed, type Line } from '../latency.ts';
import { lookForDrift, rollOut } from '../rollouts.ts';
import { applyOf, stepsOf } from '../work.ts';

/** Milliseconds there and back. What the second takes longer than the first is waiting and nothing else. */
const [NEAR, FAR] = [100, 300];

export const c: Part = {
  about: `hosts behind ${NEAR} ms there and back, counted in round trips`,
  run: async (bench) => {
    for (const size of bench.sizes ?? [1, 50]) {
      const line = await delayed(await bench.hosts.anew(size), { say: bench.say });
      try {
        bench.say(`${size} hosts; the delay is made by ${line.by}`);
        await measured(bench, line);
      } finally {
        await line.close();
      }
    }
  },
};

/** One thing to be done, and how often: the quickest of its runs is the one that least came in between. */
interface Deed {
  readonly subject: Subject;
  readonly work: string;
  readonly times: number;
  readonly run: () => Promise<number>;
}

/**
 * Round trips are the slope over two delays, so that what the processors take does not count. The one that a TCP
 * connection needs before SSH begins is in none of the figures: the proxy accepts at once.
 */
async function measured(bench: Bench, line: Line): Promise<void> {
  const tally = new Tally(bench, 'c', line.places.length);
  const deeds = deedsOf(bench, line);
  const quickest = new Map(deeds.map((deed) => [deed, Infinity]));
  // The first rollout of all does more, and a worker's first ones are slow.
  for (const deed of deeds) await deed.run();
  for (const delay of [NEAR, FAR]) {
    await line.setDelay(delay);
    for (const deed of deeds) {
      let least = Infinity;
      for (let run = 0; run < deed.times; run++) least = Math.min(least, await deed.run());
      if (delay === NEAR) {
        quickest.set(deed, least);
        tally.add(deed.subject, `${deed.work}, behind ${NEAR} ms`, least);
      } else {
        const trips = ((least - quickest.get(deed)!) * 1_000) / (FAR - NEAR);
        tally.add(deed.subject, `${deed.work}: round trips`, trips, '');
      }
    }
  }
}

function deedsOf(bench: Bench, line: Line): readonly Deed[] {
  const { stand, version } = bench;
  const { places } = line;
  const shape = { name: `c-${places.length}`, hosts: places, key: bench.hosts.key };
  let steps = stepsOf(version());
  /** With a worker that is warm, and no connection. */
  const cold = async <Result>(run: () => Promise<Result>): Promise<Result> => {
    await line.cut();
    await sleep(500); // until the worker has noticed
    return run();
  };
  const changes = async () => {
    steps = stepsOf(version());
    return (await cold(() => rollOut(stand, { ...shape, steps }))).seconds;
  };
  const converged = async () => (await cold(() => rollOut(stand, { ...shape, steps }))).seconds;
  const drift = () => lookForDrift(stand, shape.name);
  const ten = () => bare(bench, places, stepsOf(version()).map(applyOf));
  return [
    { subject: 'bare ssh2', work: 'one command', times: REPEATS, run: () => bare(bench, places, ['true']) },
    { subject: 'bare ssh2', work: 'ten changes', times: 1, run: ten },
    { subject: 'farweave', work: 'ten changes', times: 1, run: changes },
    { subject: 'farweave', work: 'converged', times: REPEATS, run: converged },
    { subject: 'farweave', work: 'drift', times: REPEATS, run: () => cold(drift) },
    { subject: 'farweave', work: 'drift, connections open', times: REPEATS, run: drift },
  ];
}
