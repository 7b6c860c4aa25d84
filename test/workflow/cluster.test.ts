import { randomUUID } from 'node:crypto';
import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { digestOf } from '../../src/plan/digest.ts';
import type { Plan } from '../../src/plan/plan.ts';
import {
  type ApplyReply,
  type ApplyRequest,
  type ClusterState,
  clusterId,
  resumeSignal,
  rolloutId,
} from '../../src/workflows/contract.ts';
import { apply as applied, rolloutOf, settled, status } from './applying.ts';
import { client, connected, measure, outcome, until, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

const small = hostsOf(1, 2);

/** Made from nothing, unless told. */
const apply = (taskQueue: string, plan: Plan, more: Partial<ApplyRequest> = {}) =>
  applied(taskQueue, plan, { basis: 0, by: 'a test', ...more });

/** Type of the refusal. */
async function refusal(reply: Promise<ApplyReply>): Promise<string | null | undefined> {
  const error: unknown = await reply.catch((e: unknown) => e);
  if (!(error instanceof WorkflowUpdateFailedError) || !(error.cause instanceof ApplicationFailure)) throw error;
  return error.cause.type;
}

it('remembers what a rollout has learnt: applied again, nothing changes', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('memory', small);
    const first = await apply(queue, plan);
    expect(first).toMatchObject({ attached: false, revision: 1, purpose: 'apply' });
    expect((await outcome(rolloutOf(first))).state).toBe('done');
    const state = await settled('memory');
    expect(state).toMatchObject({ version: 1, revision: 1, knowledge: { indexes: { vm1: 0, vm2: 1 } } });
    expect(state.last).toMatchObject({ state: 'done', changed: 13, revision: 1, digest: digestOf(plan) });
    expect(Object.keys(state.facts).toSorted()).toEqual(['host.key', 'net.key']);
    expect(Object.keys(state.sealed).toSorted()).toEqual(['cluster.digestKey', 'db.password', 'vm.password']);
    // Generated once: with another password the database would have to be started anew.
    const second = await apply(queue, plan, { basis: 1 });
    expect(await outcome(rolloutOf(second))).toMatchObject({ state: 'done', changed: 0 });
    expect((await measure('memory', 2)).types).toEqual({ 'host.survey': 2 });
    expect((await settled('memory')).version).toBe(1);
  });
});

it('attaches who applies the same plan twice, and refuses another one meanwhile', async () => {
  machines.of('vm1').write('srv/slow/pkg.install', '2');
  await withWorker(machines, async (queue) => {
    const plan = planOf('twice', small);
    const [one, other] = await Promise.all([apply(queue, plan), apply(queue, plan)]);
    expect(one.attached).toBe(!other.attached);
    expect(other.runId).toBe(one.runId);
    expect(await apply(queue, plan)).toMatchObject({ attached: true, revision: 1 });
    const another = apply(queue, planOf('twice', small, { budget: 1 }), { basis: 1 });
    expect(await refusal(another)).toBe('RolloutRunning');
    expect((await outcome(rolloutOf(one))).state).toBe('done');
    expect((await settled('twice')).revision).toBe(1);
  });
});

it('refuses a plan that was made before the last one was known, unless it would be the same', async () => {
  await withWorker(machines, async (queue) => {
    const first = await apply(queue, planOf('basis', small));
    await outcome(rolloutOf(first));
    await settled('basis');
    const moved = small.map((host) => ({ ...host, index: host.index + 5 }));
    expect(await refusal(apply(queue, planOf('basis', moved)))).toBe('PlanOutdated');
    const same = await apply(queue, planOf('basis', small, { budget: 1 }));
    expect(same).toMatchObject({ attached: false, revision: 2 });
    await outcome(rolloutOf(same));
  });
});

it('lets a mended plan take the place of one that is stuck', async () => {
  machines.of('vm2').write('srv/fail/db.start', '1');
  await withWorker(machines, async (queue) => {
    const stuck = await apply(queue, planOf('superseded', small, { onFailure: 'pause' }));
    await until(async () => (await status('superseded')).rollout?.stuck === true);
    // The same plan is not another one: it is for `resume` to try it again.
    expect(await apply(queue, planOf('superseded', small, { onFailure: 'pause' }))).toMatchObject({
      attached: true,
      stuck: true,
    });
    // Who only looks must not end it.
    const look: Plan = { ...planOf('superseded', small), purpose: 'verify' };
    expect(await refusal(apply(queue, look, { basis: 1 }))).toBe('RolloutRunning');
    machines.of('vm2').remove('srv/fail');
    const mended = await apply(queue, planOf('superseded', small), { basis: 1 });
    expect(mended.revision).toBe(2);
    expect((await outcome(rolloutOf(stuck))).state).toBe('cancelled');
    expect((await outcome(rolloutOf(mended))).state).toBe('done');
    const { events } = await settled('superseded');
    expect(events.map(({ what }) => what)).toEqual([
      expect.stringMatching(/^revision 1: apply of plan \w{12} began$/),
      'revision 1: paused on a failure',
      'revision 1 gives way to another plan',
      expect.stringMatching(/^revision 1: cancelled/),
      expect.stringMatching(/^revision 2: apply of plan \w{12} began$/),
      expect.stringMatching(/^revision 2: done/),
    ]);
  });
});

it('notices a rollout that was ended from outside', async () => {
  machines.of('vm1').write('srv/slow/pkg.install', '2');
  await withWorker(machines, async (queue) => {
    const first = await apply(queue, planOf('vanished', small));
    await until(() => machines.of('vm1').log.length > 0);
    await rolloutOf(first).terminate('by a test');
    const state = await settled('vanished');
    expect(state.last).toMatchObject({
      state: 'failed',
      problems: [{ message: 'rollout:vanished:1 was ended from outside' }],
    });
    const again = await apply(queue, planOf('vanished', small), { basis: 1 });
    expect((await outcome(rolloutOf(again))).state).toBe('done');
  });
});

it('verifies without leaving a trace, and asks each thing once', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('verify', small);
    await outcome(rolloutOf(await apply(queue, plan)));
    const before = await settled('verify');
    const stages = plan.stages.flatMap(({ afterChange: _afterChange, ...stage }) =>
      stage.kind === 'check' ? [stage] : [],
    );
    const segments = [{ scope: 'cluster', stages: stages.map(({ id }) => id) } as const];
    const check: Plan = { ...plan, purpose: 'verify', stages, segments };
    machines.of('vm1').remove('srv/checks');
    expect(await outcome(rolloutOf(await apply(queue, check, { basis: 1 })))).toMatchObject({
      state: 'done',
      changed: 0,
    });
    expect(machines.of('vm1').read('srv/checks')).toBe('asked\n');
    const after = await settled('verify');
    expect({ ...after, revision: 0, events: [] }).toEqual({ ...before, revision: 0, events: [] });

    machines.of('vm2').write('srv/health', 'ill');
    // Nobody has to wait for one that waits.
    const waiting = await apply(queue, { ...check, budget: 1 }, { basis: 1 });
    const instead = await apply(queue, planOf('verify', small, { budget: 1 }), { basis: 1 });
    expect((await outcome(rolloutOf(waiting))).state).toBe('cancelled');
    expect((await outcome(rolloutOf(instead))).state).toBe('done');
    await settled('verify');
    const failed = await outcome(rolloutOf(await apply(queue, { ...check, onFailure: 'continue' }, { basis: 1 })));
    expect(failed).toMatchObject({
      state: 'failed',
      problems: [{ host: 'vm2', type: 'NotConverged', message: expect.stringContaining('ill, not well') as string }],
    });
  });
});

it('continues as new while a rollout goes on, and hears of its end', async () => {
  machines.of('vm1').write('srv/fail/db.start', '1');
  await withWorker(machines, async (queue) => {
    const plan = planOf('long', hostsOf(1, 1), { onFailure: 'pause' });
    const reply = await apply(queue, plan);
    await until(async () => (await status('long')).rollout?.stuck === true);
    const cluster = client.workflow.getHandle(clusterId('long'));
    const { runId } = await cluster.describe();
    // Each is an event or two more in the cluster's history.
    await until(async () => {
      await apply(queue, plan);
      return (await cluster.describe()).runId !== runId;
    });
    expect(await status('long')).toMatchObject({ revision: 1, rollout: { revision: 1, stuck: true } });
    machines.of('vm1').remove('srv/fail');
    await rolloutOf(reply).signal(resumeSignal, {});
    expect((await settled('long')).last).toMatchObject({ state: 'done', revision: 1 });
  });
});

it('finds out at the next apply that a rollout is gone which it did not begin itself', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('orphan', hostsOf(1, 1));
    const gone = {
      revision: 7,
      workflowId: rolloutId('orphan', 7),
      runId: randomUUID(),
      digest: 'x',
      purpose: 'apply',
    } as const;
    const state: ClusterState = {
      version: 0,
      revision: 7,
      knowledge: { indexes: {} },
      facts: {},
      sealed: {},
      events: [],
      rollout: gone,
    };
    await client.workflow.start('cluster', {
      workflowId: clusterId('orphan'),
      taskQueue: queue,
      args: [{ name: 'orphan', state }],
    });
    const reply = await until(async () => (await status('orphan')).rollout === undefined).then(() =>
      apply(queue, plan),
    );
    expect(reply).toMatchObject({ revision: 8, attached: false });
    expect((await outcome(rolloutOf(reply))).state).toBe('done');
  });
});
