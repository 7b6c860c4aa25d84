import { randomUUID } from 'node:crypto';
import { setTimeout as pass } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { HostSpec } from '../../src/plan/plan.ts';
import { Unreachable } from '../../src/ssh/errors.ts';
import { Crowded } from '../../src/ssh/limits.ts';
import { lookId, progressQuery } from '../../src/workflows/contract.ts';
import type { look } from '../../src/workflows/look.ts';
import { apply, rolloutOf, settled, status } from './applying.ts';
import { client, connected, outcome, sealed, start, until, withSiteWorker, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

/** vm1 and vm2 in site1; vm3 and vm4 in site2, which has workers of its own. */
const hosts = hostsOf(2, 2).map((host): HostSpec => (host.site === 'site2' ? { ...host, workers: 'own' } : host));
const inSite2 = (name: string) => name === 'vm3' || name === 'vm4';

/** Reaches some of the machines, as from one place in the network. */
function reaching(can: (name: string) => boolean): Pick<Machines, 'connect'> {
  return {
    connect: async (target) => {
      if (!can(target.name)) throw new Unreachable(target, 'there is no way to it from here');
      return machines.connect(target);
    },
  };
}

it('works on the hosts of a site from inside it, and on all others from outside', async () => {
  await withWorker(
    reaching((name) => !inSite2(name)),
    (queue) =>
      withSiteWorker(
        'site2',
        reaching(inSite2),
        async () => {
          const handle = await start(queue, planOf('inside', hosts));
          expect(await outcome(handle)).toMatchObject({ state: 'done', parked: [], problems: [], changed: 25 });

          // The way back too.
          machines.of('vm4').write('srv/fail/db.label', '1');
          machines.of('vm3').remove('srv/zone');
          machines.of('vm4').remove('srv/zone');
          const { facts } = await outcome(handle);
          const second = await outcome(await start(queue, planOf('inside', hosts), { revision: 2, facts }));
          expect(second).toMatchObject({ state: 'undone', left: [] });
          expect(machines.of('vm3').log.at(-1)).toBe('undo db.label');
        },
        queue,
      ),
  );
});

it('leaves out the hosts of a site where nobody is at work, says what to do, and brings them along when somebody is', async () => {
  const queue = `site-of-nobody-${randomUUID()}`;
  await withWorker(
    reaching((name) => !inSite2(name)),
    async () => {
      const all = planOf('nobody', hosts, { budget: 2 });
      // Where the set is initiated must not depend on hosts that are away.
      const stages = all.stages.map((stage) =>
        stage.operation === 'db.initiate' ? { ...stage, hosts: ['vm1'] } : stage,
      );
      const first = await outcome(rolloutOf(await apply(queue, { ...all, stages })));
      expect(first).toMatchObject({ state: 'done', parked: ['vm3', 'vm4'] });
      expect(first.problems.map(({ host, type, message }) => ({ host, type, message }))).toEqual(
        ['vm3', 'vm4'].map((host) => ({
          host,
          type: 'Unreachable',
          message: `no worker polls ${queue}@site2: start one in site2 with \`farweave worker --site site2\``,
        })),
      );
      expect((await settled('nobody')).parked).toMatchObject({ vm3: { type: 'Unreachable' } });
      await withSiteWorker(
        'site2',
        reaching(inSite2),
        () =>
          until(
            async () =>
              (await status('nobody')).revision > 1 && Object.keys((await settled('nobody')).parked ?? {}).length === 0,
          ),
        queue,
      );
      expect(machines.of('vm4').log).toContain('pkg.install');
      expect(machines.of('vm1').read('srv/peers')).toContain('vm4');
    },
    queue,
  );
});

it('does not take a worker for gone that has its hands full', async () => {
  await withWorker(
    reaching(() => false),
    (queue) =>
      withSiteWorker(
        'site2',
        reaching(inSite2),
        async () => {
          const [vm3, vm4] = hosts.slice(2);
          machines.of('vm3').write('srv/hold/pkg.install');
          const busy = await start(queue, planOf('busy-site', [vm3!]));
          await until(() => machines.of('vm3').log.includes('pkg.install'));
          const waiting = await start(queue, planOf('waiting', [vm4!]));
          await pass(12_000); // longer than an answer may take
          expect(await waiting.query(progressQuery)).toMatchObject({ state: 'surveying', problems: [] });
          machines.of('vm3').remove('srv/hold');
          expect(await Promise.all([outcome(busy), outcome(waiting)])).toMatchObject([
            { state: 'done' },
            { state: 'done' },
          ]);
        },
        queue,
        { concurrency: 1 },
      ),
  );
});

it('has the server share out how many activities begin within a second at a site', async () => {
  const many = hostsOf(1, 12).map((host): HostSpec => ({ ...host, workers: 'own' }));
  const begun = new Map<string, number>();
  const connect: Machines['connect'] = async (target) => {
    if (!begun.has(target.name)) begun.set(target.name, Date.now());
    return machines.connect(target);
  };
  await withWorker(
    reaching(() => false),
    (taskQueue) =>
      withSiteWorker(
        'site1',
        { connect },
        async () => {
          const { findings } = await client.workflow.execute<typeof look>('look', {
            workflowId: lookId('rated', randomUUID()),
            taskQueue,
            args: [{ plan: planOf('rated', many), sealed: await sealed(), facts: {} }],
          });
          expect(Object.keys(findings)).toHaveLength(12);
          // Unused seconds add up to one burst at most.
          const times = [...begun.values()].toSorted((one, other) => one - other);
          const inOneSecond = times.map((from) => times.filter((time) => time >= from && time < from + 1_000).length);
          expect(Math.max(...inOneSecond)).toBeLessThanOrEqual(8);
        },
        taskQueue,
        { rate: 6 },
      ),
  );
});

it('waits for its turn with a host where others were before it, and fails nothing for it', async () => {
  const turnedAway = new Map<string, number>();
  const connect: Machines['connect'] = async (target) => {
    const times = turnedAway.get(target.name) ?? 0;
    turnedAway.set(target.name, times + 1);
    if (target.name === 'vm2' && times === 0) throw new Crowded(target, ['site site1'], 10_000);
    return machines.connect(target);
  };
  await withWorker({ connect }, async (queue) => {
    const handle = await start(queue, planOf('crowded', hostsOf(1, 2), { budget: 0, patience: {} }));
    expect(await outcome(handle)).toMatchObject({ state: 'done', parked: [], problems: [] });
  });
});
