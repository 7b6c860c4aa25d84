import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/plan.ts';
import type { Connect } from '../../src/ssh/host.ts';
import { createPool, type Pool } from '../../src/ssh/pool.ts';
import { createLiar, type Liar, type Lie } from '../liars.ts';
import { connected, outcome, start, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf as wholePlanOf } from './roles.ts';

connected();

/** One in each site, and one site of nothing else. */
const LIES: Readonly<Record<string, Lie>> = {
  vm3: 'says nothing',
  vm6: 'greets without end',
  vm9: 'refuses channels',
  vm10: 'never answers for a channel',
  vm11: 'floods who asks',
  vm12: 'begins a mark that never ends',
};

let machines: Machines;
let pool: Pool;
let liars: ReadonlyMap<string, Liar>;
beforeEach(async () => {
  machines = new Machines();
  pool = createPool({ readyTimeout: 1_500, opening: 1_500, reconnect: 1_500 });
  liars = new Map(
    await Promise.all(Object.entries(LIES).map(async ([name, lie]) => [name, await createLiar(lie)] as const)),
  );
});
afterEach(async () => {
  await pool.close();
  for (const liar of liars.values()) liar.close();
  machines.remove();
});

/** Liars are asked over SSH; they cannot be waited for as long as others, or the test would. */
const connect: Connect = async (target) => {
  const liar = liars.get(target.name);
  if (!liar) return machines.of(target.name).connect(target);
  const host = await pool.connect({ ...liar.target, name: target.name });
  return {
    hostKey: host.hostKey,
    ask: (questions, values, options) => host.ask(questions, values, { ...options, limit: 1_000, timeout: 5_000 }),
    run: (job, watch) => host.run(job, watch),
  };
};

/** Without what waits for all. */
function planOf(cluster: string): Plan {
  const plan = wholePlanOf(cluster, hostsOf(4, 3), { budget: 6, onFailure: 'continue' });
  const stages = plan.stages.filter(({ scope, needs }) => scope === 'host' && needs.length === 0);
  const kept = new Set(stages.map(({ id }) => id));
  const segments = plan.segments
    .map((segment) => ({ ...segment, stages: segment.stages.filter((id) => kept.has(id)) }))
    .filter((segment) => segment.stages.length > 0);
  return { ...plan, stages, segments };
}

it('parks hosts that lie, each in its own way, and rolls out all others', async () => {
  const plan = planOf('liars');
  const ended = await withWorker(Object.assign(machines, { connect }), async (queue) =>
    outcome(await start(queue, plan)),
  );
  expect(ended).toMatchObject({ state: 'done' });
  expect([...ended.parked].toSorted()).toEqual(Object.keys(LIES).toSorted());
  const honest = plan.hosts.filter(({ name }) => !(name in LIES));
  for (const { name } of honest) expect(machines.of(name).log).toContain('pkg.install');
  expect(honest).toHaveLength(6);
});
