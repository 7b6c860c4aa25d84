import { bare, type Part, REPEATS, Tally } from '../bench.ts';
import { historiesOf } from '../histories.ts';
import { spentOn } from '../processes.ts';
import { rollOut } from '../rollouts.ts';
import { applyOf, checkOf, stepsOf } from '../work.ts';

export const e: Part = {
  about: 'the price of durability: the same scripts through bare ssh2, and where the time goes',
  run: async (bench) => {
    const { stand, version } = bench;
    for (const size of bench.sizes ?? [100]) {
      const hosts = await bench.hosts.first(size);
      const shape = { name: `e-${size}`, hosts, key: bench.hosts.key };
      const tally = new Tally(bench, 'e', size);
      await rollOut(stand, { ...shape, steps: stepsOf(version()) });
      for (let run = 0; run < REPEATS; run++) {
        const commands = stepsOf(version()).map((step) => `${checkOf(step)} || ${applyOf(step)}`);
        const one = await spentOn([], () => bare(bench, hosts, [commands.join('\n')]));
        tally.add('bare ssh2', 'changes in one exec', one.result);
        tally.add('bare ssh2', 'changes in one exec: processor, script', one.spent.programs);
        tally.add('bare ssh2', 'changes in one exec: processor, hosts', one.spent.hosts);

        const again = stepsOf(version()).map((step) => `${checkOf(step)} || ${applyOf(step)}`);
        const ten = await spentOn([], () => bare(bench, hosts, again));
        tally.add('bare ssh2', 'changes in ten', ten.result);
        tally.add('bare ssh2', 'changes in ten: processor, script', ten.spent.programs);
        tally.add('bare ssh2', 'changes in ten: processor, hosts', ten.spent.hosts);

        await stand.anew();
        const steps = stepsOf(version());
        for (const work of ['changes', 'converged']) {
          const pids = [process.pid, stand.server, ...stand.workers];
          const { result, spent } = await spentOn(pids, () => rollOut(stand, { ...shape, steps }));
          const [client = 0, server = 0, worker = 0] = spent.each;
          tally.add('farweave', work, result.seconds);
          tally.add('farweave', `${work}: processor, client`, client);
          tally.add('farweave', `${work}: processor, server`, server);
          tally.add('farweave', `${work}: processor, worker`, worker);
          tally.add('farweave', `${work}: processor, hosts`, spent.hosts);
          const histories = await historiesOf(stand.farweave.client, result.workflowId);
          const total = (of: 'activities' | 'events') => histories.reduce((sum, history) => sum + history[of], 0);
          tally.add('farweave', `${work}: activities a host`, total('activities') / size, '');
          tally.add('farweave', `${work}: events a host`, total('events') / size, '');
          await stand.anew();
        }
      }
    }
  },
};
