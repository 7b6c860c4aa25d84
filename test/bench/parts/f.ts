import { count } from '../../../src/client/format.ts';
import { type Part, Tally } from '../bench.ts';
import { rollOut } from '../rollouts.ts';
import { stepsOf } from '../work.ts';

export const f: Part = {
  about: 'the same work with 1, 2 and 4 workers',
  run: async (bench) => {
    const { stand, version } = bench;
    for (const size of bench.sizes ?? [100]) {
      const hosts = await bench.hosts.anew(size);
      const shape = { name: `f-${size}`, hosts, key: bench.hosts.key };
      const tally = new Tally(bench, 'f', size);
      await rollOut(stand, { ...shape, steps: stepsOf(version()) });
      for (const workers of [1, 2, 4]) {
        const steps = stepsOf(version());
        for (const work of ['changes', 'checks']) {
          await stand.anew(workers);
          const { seconds } = await rollOut(stand, { ...shape, steps });
          tally.add('farweave', `${work}, ${count(workers, 'worker')}`, seconds);
        }
      }
    }
  },
};
