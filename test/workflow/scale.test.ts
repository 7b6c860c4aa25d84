import { expect, it } from 'vitest';
import { apply, rolloutOf, settled } from './applying.ts';
import { client, connected, outcome, withWorker } from './drive.ts';
import { manyHosts, manyMachines, manyPlan, manyRoles } from './many.ts';
import { answerOf, heaviestOf, weighed } from './weigh.ts';

connected();

/** What a server warns of is not reached by any message, nor by any history. */
const PAYLOAD = 256 * 1024;
const EVENTS = 10_000;
/** Of all that one answer of a worker may ask for at once: gRPC takes 4 MiB, and the server ends what asks for more. */
const HISTORY = 8 * 1024 * 1024;

/** `SCALE=100,300` tries other sizes. A thousand hosts take a minute of both cores of a small machine. */
const sizes = (process.env['SCALE'] ?? '1000').split(',').map(Number);

it.each(sizes)(
  '%d hosts in 40 sites: no payload above 256 KiB, no history above 10,000 events',
  async (count) => {
    const name = `many-${count}`;
    const plan = manyPlan(name, manyHosts(count, 40));
    const machines = manyMachines(plan.hosts);
    for (const site of [10, 20]) machines.get(`site${site}-host1`).unreachable = true;
    for (const site of [30, 40]) machines.get(`site${site}-host1`).on(/^make sysctl$/m, 1);
    const parked = [10, 20, 30, 40].map((site) => `site${site}-host1`);
    const answers = await withWorker(
      machines,
      async (queue) => {
        const first = await outcome(rolloutOf(await apply(queue, plan)));
        expect(first).toMatchObject({ state: 'done' });
        expect(first.parked.toSorted()).toEqual(parked);
        await settled(name);
        const second = await outcome(rolloutOf(await apply(queue, plan)));
        expect(second).toMatchObject({ state: 'done', changed: 0 });
        await settled(name);
        const asked = [
          await answerOf(`cluster:${name}`, 'status'),
          await answerOf(`cluster:${name}`, 'belongings'),
          await answerOf(`rollout:${name}:1`, 'progress'),
          await answerOf(`rollout:${name}:1`, 'plan'),
        ];
        await client.workflow.getHandle(`cluster:${name}`).terminate();
        return asked;
      },
      undefined,
      { roles: manyRoles },
    );
    const all = await weighed(name);
    print(all);
    expect(all.map(({ type }) => type)).toEqual(expect.arrayContaining(['cluster', 'rollout', 'survey', 'site']));
    expect(heaviestOf([...answers, ...all.map(({ payload }) => payload)]).bytes).toBeLessThan(PAYLOAD);
    expect(Math.max(...all.map(({ events }) => events))).toBeLessThan(EVENTS);
    expect(Math.max(...all.map(({ bytes }) => bytes))).toBeLessThan(HISTORY);
  },
  600_000,
);

it('takes back what it has changed on many hosts, a workflow a site', async () => {
  const name = 'many-undone';
  const plan = { ...manyPlan(name, manyHosts(120, 4)), onFailure: 'rollback' } as const;
  const machines = manyMachines(plan.hosts);
  machines.get('site3-host7').on(/^make names$/m, 1);
  const ended = await withWorker(
    machines,
    async (queue) => {
      const outcomes = await outcome(rolloutOf(await apply(queue, plan)));
      await settled(name);
      await client.workflow.getHandle(`cluster:${name}`).terminate();
      return outcomes;
    },
    undefined,
    { roles: manyRoles },
  );
  expect(ended).toMatchObject({ state: 'undone', left: [] });
  expect(plan.hosts.flatMap((host) => [...machines.get(host.name).state.keys()])).toEqual([]);
  const admitting = Object.entries(ended.facts['access.key'] ?? {}).filter(([, key]) => key === '');
  expect(admitting).toHaveLength(plan.hosts.length);
  const undone = (await weighed(name)).filter(({ type }) => type === 'undoing');
  expect(undone.length).toBeGreaterThanOrEqual(4);
});

function print(all: Awaited<ReturnType<typeof weighed>>): void {
  const rows = [...Map.groupBy(all, ({ type }) => type)].map(([type, some]) => ({
    type,
    workflows: some.length,
    activities: some.reduce((sum, { activities }) => sum + activities, 0),
    'most events': Math.max(...some.map(({ events }) => events)),
    'largest history, KiB': Math.round(Math.max(...some.map(({ bytes }) => bytes)) / 1024),
    'largest payload, KiB': Math.round(heaviestOf(some.map(({ payload }) => payload)).bytes / 1024),
  }));
  console.table(rows);
}
