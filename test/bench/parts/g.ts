import { type Part, proveDone, Tally } from '../bench.ts';
import { rollOut } from '../rollouts.ts';
import { stepsOf } from '../work.ts';

/** Hosts a site. */
const HOSTS = 10;

export const g: Part = {
  about: 'sites that are reached through a bastion each, against the same hosts reached directly',
  run: async (bench) => {
    const { stand, version } = bench;
    for (const size of bench.sizes ?? [300]) {
      const sites = Math.ceil(size / HOSTS);
      const all = await bench.hosts.anew(size + sites);
      const hosts = all.slice(0, size);
      const gates = all.slice(size).map((place, n) => ({ ...place, name: `gate-dc${n}` }));
      const tally = new Tally(bench, 'g', size);
      bench.say(`${size} hosts in ${sites} sites: to be watched at ${stand.ui}`);
      for (const [work, ways] of [
        ['through bastions', { gates }],
        ['directly', {}],
      ] as const) {
        await stand.anew();
        const steps = stepsOf(version());
        const shape = { name: `g-${size}`, hosts, steps, key: bench.hosts.key, sites, ...ways };
        const { seconds, outcome } = await rollOut(stand, shape);
        if (outcome.state !== 'done') throw new Error(`The rollout has ended ${outcome.state}`);
        proveDone(bench, hosts, steps, 'farweave');
        tally.add('farweave', `changes, ${work}`, seconds);
      }
    }
  },
};
