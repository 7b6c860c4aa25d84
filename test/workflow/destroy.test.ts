import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cut } from '../../src/plan/cut.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { withdrawals } from '../../src/plan/withdraw.ts';
import { type ApplyReply, type ApplyRequest, type Outcome } from '../../src/workflows/contract.ts';
import { apply as applied, settled } from './applying.ts';
import { client, connected, measure, outcome, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

const hosts = hostsOf(1, 3);
const names = hosts.map(({ name }) => name);

/** The plan that takes a cluster of toys away. */
function endOf(plan: Plan, { data = false } = {}): Plan {
  const stages = withdrawals(plan.stages, names, { erasing: [], data }).map((stage, n) => ({
    ...stage,
    id: `${String(n).padStart(2, '0')}-${stage.operation}`,
  }));
  return {
    ...plan,
    purpose: 'destroy',
    hosts: plan.hosts.map((host) => ({ ...host, leaving: true })),
    ...cut(stages, new Map()),
    budget: names.length,
    onFailure: 'continue',
  };
}

/** With a cluster.yaml, so that hosts may not go missing. */
const apply = (taskQueue: string, plan: Plan, more: Partial<ApplyRequest> = {}) =>
  applied(taskQueue, plan, { wanted: { spec: '', hosts: plan.hosts.map(({ name }) => name) }, ...more });

async function done(reply: Promise<ApplyReply>): Promise<Outcome> {
  return await outcome(client.workflow.getHandle((await reply).workflowId));
}

/** What is on the hosts, but for what the toys write down of themselves. */
const there = () =>
  names.map((name) => {
    const machine = machines.of(name);
    const own = machine.list('srv').filter((file) => !['log', 'checks', 'pkg', 'fail'].includes(file));
    return [...own, ...machine.list('srv/pkg'), ...machine.list('farweave'), ...machine.list('etc')];
  });

it('leaves every host as it was found, stage by stage in reverse, and forgets the cluster but for its data', async () => {
  machines.of('vm2').write('srv/net.json', 'as somebody had it');
  const before = there();
  await withWorker(machines, async (queue) => {
    const plan = planOf('destroyed', hosts);
    expect(await done(apply(queue, plan))).toMatchObject({ state: 'done' });
    await settled('destroyed');
    // A later rollout has changed some of it once more, which is not what it was like before.
    const changed = planOf('destroyed', hosts, {});
    const stages = changed.stages.map((stage) =>
      stage.operation === 'net.configure' ? { ...stage, args: { mtu: 9000 } } : stage,
    );
    expect(await done(apply(queue, { ...changed, stages }))).toMatchObject({ state: 'done', changed: 3 });
    await settled('destroyed');

    const end = endOf(plan);
    expect(await done(apply(queue, end))).toMatchObject({ state: 'done', left: [], parked: [] });
    expect(there()).toEqual(before);
    expect(machines.of('vm2').read('srv/net.json')).toBe('as somebody had it');
    const undone = machines.of('vm1').log.filter((line) => line.startsWith('undo'));
    expect(undone).toEqual(['undo db.label', 'undo net.configure', 'undo pkg.install']);

    const state = await settled('destroyed');
    expect(state).toMatchObject({ facts: {}, destroyed: { by: 'ada@laptop' }, knowledge: { indexes: { vm1: 0 } } });
    for (const key of ['last', 'owner', 'revisions', 'plans', 'parked', 'wanted'])
      expect(state).not.toHaveProperty(key);
    expect(Object.keys(state.sealed)).toContain('db.password');
    expect(state.events.at(-1)?.what).toMatch(/^revision 3: done, \d+ changed$/);

    // Nothing is there any more to be taken back, or to be claimed.
    expect(await done(apply(queue, end))).toMatchObject({ state: 'done', changed: 0 });
    expect((await measure('destroyed', 4)).types).toEqual({ 'host.survey': 3 });
    expect(there()).toEqual(before);
    await settled('destroyed');

    // And it can begin again, on hosts that know nothing of it.
    expect(await done(apply(queue, plan))).toMatchObject({ state: 'done' });
    const again = await settled('destroyed');
    expect(again).toMatchObject({ revision: 5, last: { revision: 5, state: 'done' } });
    expect(again.destroyed).toBeUndefined();
    expect(again.owner).toBeDefined();
  });
});

it('goes on without a host that does not answer, and takes it along when it is asked again', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('destroyed-dead', hosts);
    await done(apply(queue, plan));
    await settled('destroyed-dead');
    machines.of('vm3').write('unreachable');
    const end = endOf(plan, { data: true });
    expect(await done(apply(queue, end))).toMatchObject({ state: 'done', abandoned: ['vm3'] });
    const state = await settled('destroyed-dead');
    // The host is known by its key and its owner, and nobody brings it back to the cluster that is gone.
    expect(state).toMatchObject({ destroyed: { left: ['vm3'] }, facts: { 'host.key': { vm3: 'SHA256:vm3' } } });
    expect(state.owner).toBeDefined();
    expect(state.parked).toBeUndefined();
    expect(machines.of('vm1').list('farweave')).toEqual([]);
    expect(machines.of('vm3').list('farweave')).toContain('owner');

    machines.of('vm3').remove('unreachable');
    expect(await done(apply(queue, end))).toMatchObject({ state: 'done' });
    expect(machines.of('vm3').list('farweave')).toEqual([]);
    const gone = await settled('destroyed-dead');
    expect(gone).toMatchObject({ knowledge: { indexes: {} }, sealed: {}, destroyed: { data: true } });
    expect(gone.owner).toBeUndefined();
  });
});

it('goes on with the other hosts where a step fails on one, which it does not give up', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('destroyed-failing', hosts);
    await done(apply(queue, plan));
    await settled('destroyed-failing');
    const origin = 'farweave/origins/net.createKey';
    for (const layer of machines.of('vm2').list(origin))
      machines.of('vm2').write(`${origin}/${layer}/restore`, 'exit 9');
    const { state, abandoned, problems } = await done(apply(queue, endOf(plan)));
    expect({ state, abandoned }).toEqual({ state: 'done', abandoned: ['vm2'] });
    expect(problems).toMatchObject([{ host: 'vm2', type: 'CommandFailed' }]);
    expect(machines.of('vm2').list('farweave')).toContain('owner');
    expect(machines.of('vm3').list('farweave')).toEqual([]);
  });
});

it('is refused while a rollout runs, from a file without some of the hosts, and where somebody else has them', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('destroyed-not', hosts);
    machines.of('vm1').write('srv/hold/pkg.install');
    const running = apply(queue, plan);
    await running;
    expect(await refusal(apply(queue, endOf(plan)))).toBe('RolloutRunning');
    machines.of('vm1').remove('srv/hold/pkg.install');
    await done(running);
    await settled('destroyed-not');
    const part = endOf(plan);
    const fewer = { ...part, hosts: part.hosts.slice(0, 2) };
    expect(await refusal(apply(queue, fewer))).toBe('HostsMissing');
    const other = endOf(planOf('destroyed-by-mistake', hosts));
    expect(await done(apply(queue, other))).toMatchObject({ state: 'failed', problems: [{ type: 'Owned' }, {}, {}] });
    expect(machines.of('vm1').list('farweave')).toContain('owner');
    expect((await settled('destroyed-by-mistake')).destroyed).toBeUndefined();
  });
});

async function refusal(reply: Promise<ApplyReply>): Promise<string | null | undefined> {
  const error: unknown = await reply.catch((e: unknown) => e);
  if (!(error instanceof WorkflowUpdateFailedError) || !(error.cause instanceof ApplicationFailure)) throw error;
  return error.cause.type;
}
