import { type Bench, bare, type Part, proveDone, repeatsFor, Tally } from '../bench.ts';
import type { Place } from '../hosts.ts';
import { rivals } from '../rivals/index.ts';
import { rollOut } from '../rollouts.ts';
import { applyOf, checkOf, type Step, stepsOf } from '../work.ts';

/** The largest number of hosts that rivals are given: at their pace more would take the evening. */
const MOST_FOR_RIVALS = 100;

export const a: Part = {
  about: 'ten steps on each host, twice: changes of a file each, and checks that hold already',
  run: async (bench) => {
    const sizes = bench.sizes ?? [10, 100, 300];
    const forRivals = Math.max(...sizes.filter((size) => size <= MOST_FOR_RIVALS));
    for (const size of sizes) {
      const hosts = await bench.hosts.anew(size);
      const tally = new Tally(bench, 'a', size);
      await ours(bench, hosts, tally);
      if (bench.rivals !== 'no' && size === forRivals) await theirs(bench, hosts, tally);
    }
  },
};

/** Farweave and the bare script in turns, so that what disturbs one disturbs the other. */
async function ours(bench: Bench, hosts: readonly Place[], tally: Tally): Promise<void> {
  const { stand, version } = bench;
  const roll = async (work: string, steps: readonly Step[]) => {
    const shape = { name: `a-${hosts.length}`, hosts, steps, key: bench.hosts.key };
    const { seconds, outcome } = await rollOut(stand, shape);
    if (outcome.state !== 'done') throw new Error(`A rollout has ended ${outcome.state}`);
    proveDone(bench, hosts, steps, 'farweave');
    tally.add('farweave', work, seconds);
  };
  const script = async (work: string, steps: readonly Step[], commandOf: (step: Step) => string) => {
    tally.add('bare ssh2', work, await bare(bench, hosts, steps.map(commandOf)));
    proveDone(bench, hosts, steps, 'bare ssh2');
  };
  await stand.anew();
  await roll('changes, the first rollout of all', stepsOf(version()));
  for (let run = 0; run < repeatsFor(hosts.length); run++) {
    await script('changes', stepsOf(version()), (step) => `${checkOf(step)} || ${applyOf(step)}`);
    const steps = stepsOf(version());
    await stand.anew();
    await roll('changes', steps);
    await script('checks', steps, checkOf);
    await stand.anew();
    await roll('checks', steps);
    await roll('checks, connections open', steps);
    await roll('changes, connections open', stepsOf(version()));
  }
}

/** Once each: they are slow enough for that to say what there is to say. */
async function theirs(bench: Bench, hosts: readonly Place[], tally: Tally): Promise<void> {
  for (const rival of await rivals(bench)) {
    const steps = stepsOf(bench.version());
    for (const work of ['changes', 'checks']) {
      bench.say(`${rival.name}, ${work}, ${hosts.length} hosts …`);
      tally.add(rival.name, work, await rival.run(hosts, steps));
      proveDone(bench, hosts, steps, rival.name);
    }
  }
}
