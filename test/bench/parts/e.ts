import { type Bench, bare, type Part, proveDone, Tally } from '../bench.ts';
import { historiesOf } from '../histories.ts';
import type { Place } from '../hosts.ts';
import { spentOn } from '../processes.ts';
import { rollOut } from '../rollouts.ts';
import { applyOf, checkOf, stepsOf } from '../work.ts';

export const e: Part = {
  about: 'the price of durability: the same scripts through bare ssh2, and where the time goes',
  run: async (bench) => {
    for (const size of bench.sizes ?? [100]) {
      const hosts = await bench.hosts.anew(size);
      const tally = new Tally(bench, 'e', size);
      await scripted(bench, hosts, tally);
      await durable(bench, hosts, tally);
    }
  },
};

/** As ten execs, and as one that carries all ten scripts: less than that nobody can do. */
async function scripted(bench: Bench, hosts: readonly Place[], tally: Tally): Promise<void> {
  for (const execs of ['one exec', 'ten execs']) {
    const steps = stepsOf(bench.version());
    const commands = steps.map((step) => `${checkOf(step)} || ${applyOf(step)}`);
    const [first] = hosts;
    const before = bench.hosts.begun(first!);
    const { result, spent } = await spentOn([], () =>
      bare(bench, hosts, execs === 'one exec' ? [commands.join('\n')] : commands),
    );
    proveDone(bench, hosts, steps, 'bare ssh2');
    tally.add('bare ssh2', `changes in ${execs}`, result);
    tally.add('bare ssh2', `changes in ${execs}: processor, script`, spent.programs);
    tally.add('bare ssh2', `changes in ${execs}: processor, hosts`, spent.hosts);
    tally.add('bare ssh2', `changes in ${execs}: processes a host`, bench.hosts.begun(first!) - before - 1, '');
  }
}

async function durable(bench: Bench, hosts: readonly Place[], tally: Tally): Promise<void> {
  const { stand, version } = bench;
  const shape = { name: `e-${hosts.length}`, hosts, key: bench.hosts.key };
  await rollOut(stand, { ...shape, steps: stepsOf(version()) });
  const steps = stepsOf(version());
  const [first] = hosts;
  for (const work of ['changes', 'converged']) {
    await stand.anew();
    const before = bench.hosts.begun(first!);
    const pids = [process.pid, stand.server, ...stand.workers];
    const { result, spent } = await spentOn(pids, () => rollOut(stand, { ...shape, steps }));
    proveDone(bench, hosts, steps, 'farweave');
    const [client = 0, server = 0, worker = 0] = spent.each;
    tally.add('farweave', work, result.seconds);
    tally.add('farweave', `${work}: processor, client`, client);
    tally.add('farweave', `${work}: processor, server`, server);
    tally.add('farweave', `${work}: processor, worker`, worker);
    tally.add('farweave', `${work}: processor, hosts`, spent.hosts);
    tally.add('farweave', `${work}: processes a host`, bench.hosts.begun(first!) - before - 1, '');
    const histories = await historiesOf(stand.farweave.client, result.workflowId);
    for (const what of ['activities', 'events'] as const) {
      const total = histories.reduce((sum, history) => sum + history[what], 0);
      tally.add('farweave', `${work}: ${what} a host`, total / hosts.length, '');
    }
  }
}
