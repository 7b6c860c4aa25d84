import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { digestOf } from '../../src/plan/digest.ts';
import { HOST_KEY } from '../../src/plan/plan.ts';
import { Unreachable } from '../../src/ssh/errors.ts';
import type { Connect } from '../../src/ssh/host.ts';
import {
  type ApplyReply,
  type ClusterControls,
  type ClusterReply,
  type ClusterState,
  clusterId,
  clusterUpdate,
  followUpSignal,
  noteSignal,
  rolloutId,
} from '../../src/workflows/contract.ts';
import type { rollout } from '../../src/workflows/rollout.ts';
import { farweave } from '../unit/cli-io.ts';
import { apply, status } from './applying.ts';
import { client, connected, outcome, sealed, until, vault, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOfEach as planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

const small = hostsOf(1, 2);
const spared = { budget: 1 };

const clusterOf = (name: string) => client.workflow.getHandle(clusterId(name));
const ask = <Name extends keyof ClusterControls>(name: string, what: Name, asked: ClusterControls[Name]) =>
  clusterOf(name).executeUpdate(clusterUpdate(what), { args: [asked] as [ClusterControls[Name]] });
const told = async (name: string) => (await status(name)).events.map(({ what }) => what);

/** What the cluster says no with. */
async function refusal(reply: Promise<ApplyReply | ClusterReply>): Promise<string> {
  const error: unknown = await reply.catch((e: unknown) => e);
  if (!(error instanceof WorkflowUpdateFailedError) || !(error.cause instanceof ApplicationFailure)) throw error;
  return error.cause.message;
}

const ended = async (name: string, revision: number) => {
  await until(async () => {
    const state = await status(name);
    return state.last?.revision === revision && state.rollout === undefined;
  });
  return status(name);
};
const end = (reply: { readonly workflowId: string }) =>
  outcome(client.workflow.getHandle<typeof rollout>(reply.workflowId));

/** An apply that leaves vm2 out, which is there again before it has ended. */
async function leavingOut(taskQueue: string, name: string, { back = true } = {}): Promise<void> {
  machines.of('vm2').write('unreachable');
  machines.of('vm1').write('srv/hold/pkg.install');
  await apply(taskQueue, planOf(name, small, spared));
  await until(() => machines.of('vm1').log.length > 0);
  if (back) machines.of('vm2').remove('unreachable');
  machines.of('vm1').remove('srv/hold');
}

describe('a host that nobody could reach', () => {
  it('is followed up by itself when it answers', async () => {
    await withWorker(machines, async (queue) => {
      await leavingOut(queue, 'back');
      const state = await ended('back', 2);
      expect(state).toMatchObject({ last: { state: 'done', parked: [], followUp: true }, parked: {} });
      expect(state.revisions).toMatchObject([
        { revision: 1, by: 'ada@laptop', state: 'done', kept: true },
        { revision: 2, by: 'farweave', state: 'done', follows: 1, kept: true },
      ]);
      expect(await told('back')).toContain('revision 2 follows up revision 1: vm2 answers again');
      expect(machines.of('vm2').read('srv/db')).toBeDefined();
      expect(state).not.toHaveProperty('plans');
    });
  });

  it('is waited for by one activity, and meanwhile blocks nobody; a signal brings it along at once', async () => {
    await withWorker(machines, async (queue) => {
      await leavingOut(queue, 'down', { back: false });
      const { parked } = await ended('down', 1);
      expect(parked).toMatchObject({ vm2: { type: 'Unreachable', revision: 1, since: expect.any(String) as string } });
      const pending = async () => (await clusterOf('down').describe()).raw.pendingActivities ?? [];
      await until(async () => (await pending())[0]?.lastFailure?.message?.includes('no answer yet') === true);
      expect(await refusal(ask('down', 'followUp', { hosts: ['vm7'] }))).toBe('not parked: vm7; parked are vm2');

      // By signal it may be whatever somebody has typed: that must not wedge the cluster.
      await clusterOf('down').signal('followUp', { hosts: 'vm2', by: 'grace' });
      await until(async () => (await told('down')).filter((what) => what.startsWith('a follow-up')).length === 1);
      expect((await told('down')).at(-1)).toContain('hosts is a list of names');

      machines.of('vm2').remove('unreachable');
      await clusterOf('down').signal(followUpSignal, { hosts: ['vm2'], by: 'grace', reason: 'repaired' });
      const state = await ended('down', 2);
      expect(state.events).toContainEqual({
        at: expect.any(String) as string,
        by: 'grace',
        what: 'revision 2 follows up revision 1: vm2 is to be tried again (repaired)',
      });
      expect(await pending()).toEqual([]);
      expect(await refusal(ask('down', 'followUp', {}))).toBe('no host of down is parked');
      await clusterOf('down').signal(followUpSignal, { by: 'grace' });
      await until(async () => (await told('down')).at(-1) === 'a follow-up was refused: no host of down is parked');
    });
  });

  it('is let go longer each time that it answers only to be gone again, and can be asked for meanwhile', async () => {
    let flaps = true;
    /** Answers who waits for it, and no rollout. */
    const connect: Connect = async (target) => {
      if (flaps && target.name === 'vm2' && Context.current().info.activityType !== 'hosts.await')
        throw new Unreachable(target, 'connection reset');
      return machines.connect(target);
    };
    const flapping = Object.assign(Object.create(machines) as Machines, { connect });
    await withWorker(flapping, async (queue) => {
      await apply(queue, planOf('flaps', small, spared));
      const { parked } = await ended('flaps', 2);
      expect(parked).toMatchObject({ vm2: { type: 'Unreachable', again: 1, revision: 2 } });
      const rest = Date.parse(parked!['vm2']!.notBefore!) - Date.now();
      expect(rest).toBeGreaterThan(50_000);
      await new Promise((done) => setTimeout(done, 2_000));
      expect((await status('flaps')).revision).toBe(2);

      flaps = false;
      const { said, rollout: begun } = await ask('flaps', 'followUp', { by: 'grace' });
      expect(said).toBe('revision 3 has begun');
      expect(await end(begun!)).toMatchObject({ state: 'done', parked: [] });
    });
  });

  it('holds nobody up while it is followed up: another plan takes the place of that', async () => {
    machines.of('vm2').write('srv/hold/pkg.install');
    await withWorker(machines, async (queue) => {
      await leavingOut(queue, 'giving');
      await until(() => machines.of('vm2').log.length > 0);
      expect((await status('giving')).rollout).toMatchObject({ revision: 2, followUp: true, revisits: ['vm2'] });
      const other = apply(queue, planOf('giving', small, { budget: 2 }));
      machines.of('vm2').remove('srv/hold');
      expect(await other).toMatchObject({ revision: 3, attached: false });
      expect(await end(await other)).toMatchObject({ state: 'done' });
      expect(await told('giving')).toContain('revision 2 gives way to another plan');
    });
  });
});

/** A cluster of which vm1 has shown another key to the last rollout. */
async function startWithQuestion(taskQueue: string, name: string, more: Partial<ClusterState> = {}): Promise<void> {
  const plan = planOf(name, small, spared);
  const state: ClusterState = {
    version: 1,
    revision: 1,
    knowledge: { indexes: { vm1: 0, vm2: 1 } },
    facts: { [HOST_KEY]: { vm1: 'SHA256:old', vm2: 'SHA256:vm2' } },
    sealed: await sealed(),
    events: [],
    last: { revision: 1, digest: 'd', state: 'done', changed: 1, parked: ['vm1'], problems: [], left: [] },
    parked: {
      vm1: {
        type: 'HostKeyChanged',
        message: 'vm1 shows another key',
        since: '2026-11-24T10:00:00.000Z',
        revision: 1,
        shownKey: 'SHA256:vm1',
      },
    },
    plans: { d: plan },
    ...more,
  };
  await client.workflow.start('cluster', { workflowId: clusterId(name), taskQueue, args: [{ name, state }] });
}

describe('a host that shows another key', () => {
  it('is not followed up before its key is accepted, and is then', async () => {
    await withWorker(machines, async (queue) => {
      await startWithQuestion(queue, 'key');
      await new Promise((done) => setTimeout(done, 1_000));
      expect((await status('key')).rollout).toBeUndefined();
      const accept = (host: string, fingerprint: string) =>
        ask('key', 'acceptHostKey', { host, fingerprint, by: 'grace' });
      expect(await refusal(accept('vm9', 'SHA256:vm1'))).toBe('key has no host vm9');
      expect(await refusal(accept('vm2', 'SHA256:vm2'))).toBe('no other key than the known one is shown by vm2');
      expect(await refusal(accept('vm1', 'SHA256:evil'))).toBe(
        'vm1 shows SHA256:vm1, not SHA256:evil: look at it again',
      );
      const { said } = await accept('vm1', 'SHA256:vm1');
      expect(said).toBe('vm1 is held to SHA256:vm1 from now on; revision 2 has begun');
      const state = await ended('key', 2);
      expect(state).toMatchObject({
        last: { state: 'done' },
        parked: {},
        facts: { [HOST_KEY]: { vm1: 'SHA256:vm1' } },
      });
      expect(state.events[0]).toMatchObject({
        by: 'grace',
        what: 'key SHA256:vm1 of vm1 accepted in place of SHA256:old',
      });
      expect(machines.of('vm1').read('srv/db')).toBeDefined();
    });
  });

  it('is for the cluster file to decide where that pins the key', async () => {
    await withWorker(machines, async (queue) => {
      const hosts = small.map((host) => ({ ...host, hostKey: 'SHA256:old' }));
      await startWithQuestion(queue, 'pinned', { plans: { d: planOf('pinned', hosts) } });
      const accepted = ask('pinned', 'acceptHostKey', { host: 'vm1', fingerprint: 'SHA256:vm1' });
      expect(await refusal(accepted)).toBe('cluster.yaml pins the key of vm1: change its hostKey there, and apply');
    });
  });
});

it('shows the question on the command line, and wants an answer from who cannot be asked', async () => {
  await withWorker(machines, async (queue) => {
    await startWithQuestion(queue, 'shown');
    writeFileSync(
      join(machines.folder, 'cluster.yaml'),
      `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: shown }
sites: { ams: {} }
access: { user: root, password: { env: PASSWORD } }
hosts: [{ name: vm1, site: ams, address: 192.0.2.1 }]
`,
    );
    const env = { FARWEAVE_TASK_QUEUE: queue, FARWEAVE_RECIPIENT: vault.recipient };
    const call = (...argv: string[]) =>
      farweave(['--address', inject('address'), ...argv], { cwd: machines.folder, env });
    const { out } = await call('status');
    expect(out).toContain('vm1 since 2026-11-24 10:00 UTC: HostKeyChanged, vm1 shows another key');
    expect(out).toMatch(/^vm1 shows another key than before: farweave .*hostkeys accept vm1$/m);
    expect((await call('hostkeys', 'list')).out).toMatch(/^vm1 {2}SHA256:old {2}shows SHA256:vm1$/m);
    expect(await call('hostkeys', 'accept', 'vm1')).toMatchObject({
      exitCode: 2,
      err: expect.stringContaining('Give --fingerprint SHA256:…') as string,
    });
    expect((await call('hostkeys', 'accept', 'vm1', '--fingerprint', 'SHA256:evil')).err).toContain('look at it again');
    const accepted = await call('hostkeys', 'accept', 'vm1', '--fingerprint', 'SHA256:vm1');
    expect(accepted).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^done: /m) as string });
    await ended('shown', 2);
    expect((await call('revisions')).out).toMatch(
      /^2 {2}\S+ \S+ {2}\S+@\S+ {2}done {2}plan d {2}2 hosts {2}follows up 1$/m,
    );
    expect(await call('revisit')).toMatchObject({ exitCode: 1, err: 'no host of shown is parked\n' });
  });
});

it('goes on waiting for a host when the cluster continues as new', async () => {
  machines.of('vm1').write('unreachable');
  await withWorker(machines, async (queue) => {
    const parked = { type: 'Unreachable', message: 'away', since: '2026-11-24T10:00:00.000Z', revision: 1 };
    await startWithQuestion(queue, 'renewed', { parked: { vm1: parked }, facts: {} });
    const { runId } = await clusterOf('renewed').describe();
    const pending = async () => (await clusterOf('renewed').describe()).raw.pendingActivities ?? [];
    await until(async () => (await pending())[0]?.lastFailure != null);
    machines.of('vm1').remove('unreachable');
    for (let n = 0; (await clusterOf('renewed').describe()).runId === runId; n++)
      await clusterOf('renewed').signal(noteSignal, { revision: 1, at: '', what: `${n}` });
    expect((await ended('renewed', 2)).last).toMatchObject({ state: 'done', followUp: true });
  });
});

describe('an apply while another runs', () => {
  it('is told who holds the lock, since when and for what', async () => {
    machines.of('vm1').write('srv/hold/pkg.install');
    await withWorker(machines, async (queue) => {
      const first = await apply(queue, planOf('holder', small));
      const other = apply(queue, planOf('holder', small, { budget: 1 }), { by: 'grace@desk' });
      expect(await refusal(other)).toMatch(
        /^revision 1 of holder is under way since \d\d:\d\d UTC: apply for 2 hosts by ada@laptop$/,
      );
      machines.of('vm1').remove('srv/hold');
      await end(first);
    });
  });

  it('waits for its turn if told to; a newer one takes its place, and one that waits can be withdrawn', async () => {
    machines.of('vm1').write('srv/hold/pkg.install');
    machines.of('vm2').write('srv/fail/db.start', '1');
    await withWorker(machines, async (queue) => {
      const first = await apply(queue, planOf('queue', small));
      const second = await apply(queue, planOf('queue', small, { budget: 1 }), { queue: true });
      expect(second).toMatchObject({ queued: true, attached: false, revision: 1 });
      const third = planOf('queue', small, { budget: 2 });
      await apply(queue, third, { queue: true, by: 'grace@desk' });
      expect(await status('queue')).toMatchObject({ queued: { digest: digestOf(third), by: 'grace@desk', hosts: 2 } });
      expect(await told('queue')).toContainEqual(
        expect.stringMatching(/^apply of plan \w{12} waits for its turn instead of \w{12} by ada@laptop$/),
      );
      expect(await ask('queue', 'withdraw', { by: 'grace' })).toMatchObject({
        said: expect.stringMatching(/^the apply of plan \w{12} by grace@desk waits no longer$/) as string,
      });
      expect(await refusal(ask('queue', 'withdraw', {}))).toBe('no apply of queue waits for its turn');
      await apply(queue, third, { queue: true });
      machines.of('vm1').remove('srv/hold');
      // That it failed is no reason not to begin what was to come next.
      expect((await end(first)).state).toBe('undone');
      machines.of('vm2').remove('srv/fail');
      await until(async () => (await status('queue')).revision === 2);
      await until(async () => (await status('queue')).rollout?.digest === digestOf(third));
      expect(await status('queue')).not.toHaveProperty('queued');
      await end({ workflowId: rolloutId('queue', 2) });
    });
  });
});

describe('going back to an earlier revision', () => {
  it('carries its plan out once more, and leaves hosts alone that it does not know', async () => {
    await withWorker(machines, async (queue) => {
      await end(await apply(queue, planOf('again', hostsOf(1, 1))));
      await ended('again', 1);
      expect(await refusal(ask('again', 'rollbackTo', {}))).toBe(
        'again remembers no earlier revision with another plan; there are plans of revision 1',
      );
      await end(await apply(queue, planOf('again', small)));
      await ended('again', 2);
      expect(await refusal(ask('again', 'rollbackTo', { revision: 9 }))).toBe(
        'again remembers no plan of revision 9; there are plans of revision 1, 2',
      );
      const { said, rollout: begun } = await ask('again', 'rollbackTo', { by: 'grace', reason: 'too slow' });
      expect(said).toBe('revision 3 has begun with the plan of revision 1');
      expect(await refusal(ask('again', 'rollbackTo', {}))).toMatch(/^revision 3 of again is under way since/);
      expect(await end(begun!)).toMatchObject({ state: 'done' });
      const state = await ended('again', 3);
      expect(state.events).toContainEqual(
        expect.objectContaining({ by: 'grace', what: 'revision 3 goes back to the plan of revision 1 (too slow)' }),
      );
      expect(await told('again')).toContain('revision 1 did not know vm2: left as is');
      // Its key is remembered: nobody is to meet it as if for the first time.
      expect(state.facts[HOST_KEY]).toMatchObject({ vm2: 'SHA256:vm2' });
      expect(state.knowledge.indexes).toEqual({ vm1: 0, vm2: 1 });
      expect(state.revisions?.at(-1)).toMatchObject({
        revision: 3,
        goesBackTo: 1,
        digest: state.revisions?.[0]?.digest,
      });
    });
  });
});

it('tells in its events what people did to a rollout', async () => {
  await withWorker(machines, async (queue) => {
    await end(await apply(queue, planOf('noted', hostsOf(1, 1))));
    const at = '2026-11-24T10:00:00.000Z';
    await clusterOf('noted').signal(noteSignal, { revision: 1, at, by: 'grace', what: 'paused: lunch' });
    await until(async () => (await told('noted')).at(-1) === 'revision 1: paused: lunch');
    expect((await status('noted')).events.at(-1)).toEqual({ at, by: 'grace', what: 'revision 1: paused: lunch' });
  });
});
