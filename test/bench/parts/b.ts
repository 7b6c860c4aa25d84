import { bare, type Part, REPEATS, Tally } from '../bench.ts';
import { lookForDrift, rollOut } from '../rollouts.ts';
import { stepsOf } from '../work.ts';

export const b: Part = {
  about: 'a converged re-run and a look for drift, next to only connecting to the hosts',
  run: async (bench) => {
    const { stand } = bench;
    for (const size of bench.sizes ?? [100, 300]) {
      const hosts = await bench.hosts.anew(size);
      const shape = { name: `b-${size}`, hosts, key: bench.hosts.key, steps: stepsOf(bench.version()) };
      const tally = new Tally(bench, 'b', size);
      bench.say(`rolling out to ${size} hosts …`);
      await rollOut(stand, shape);
      for (let run = 0; run < REPEATS; run++) {
        tally.add('only connecting', 'connect', await bare(bench, hosts, []));
        await stand.anew();
        const { seconds, outcome } = await rollOut(stand, shape);
        if (outcome.changed > 0) throw new Error(`A re-run has changed ${outcome.changed} steps`);
        tally.add('farweave', 'converged', seconds);
        await stand.anew();
        tally.add('farweave', 'drift', await lookForDrift(stand, shape.name));
        tally.add('farweave', 'drift, connections open', await lookForDrift(stand, shape.name));
      }
    }
  },
};
