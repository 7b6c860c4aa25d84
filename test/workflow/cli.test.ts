import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { accompany } from '../../src/client/accompany.ts';
import {
  acceptHostKey,
  apply,
  connect,
  type Farweave,
  followUp,
  rollbackTo,
  status,
  watch,
  withdraw,
} from '../../src/client/index.ts';
import type { Io } from '../../src/client/io.ts';
import { turnOf } from '../../src/client/turn.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { pauseSignal, resumeSignal } from '../../src/workflows/contract.ts';
import { farweave as commandLine } from '../unit/cli-io.ts';
import { draftOf } from './command-line.ts';
import { CANARIES, connected, until, vault, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

/** A terminal that is none, and what was said on it. */
function console_({ live = false, heard = (_text: string) => {} } = {}) {
  const said = { out: '', err: '' };
  let interrupt = () => {};
  const stream = (name: 'out' | 'err') => ({
    write: (text: string) => {
      said[name] += text;
      heard(text);
    },
    live,
    size: () => ({ columns: 80, rows: 24 }),
  });
  const io: Io = {
    out: stream('out'),
    err: stream('err'),
    env: {},
    cwd: '/',
    input: async () => '',
    canAsk: false,
    color: false,
    unicode: true,
    onInterrupt: (listener) => {
      interrupt = listener;
      return () => {};
    },
  };
  return { io, said, interrupt: () => interrupt() };
}

/** Applies a plan as the command does, and gives its exit code with what was said. */
async function rollOut(farweave: Farweave, plan: Plan, { json = false, heard = (_text: string) => {} } = {}) {
  const { io, said } = console_({ heard });
  const begun = await apply(farweave, draftOf(plan), CANARIES);
  const exitCode = await accompany(farweave, begun, { io, json, events: false, self: 'farweave' });
  return { exitCode, begun, ...said };
}

/** With a worker, and a connection as the command line has it. */
async function withFarweave(act: (farweave: Farweave) => Promise<void>): Promise<void> {
  await withWorker(machines, async (taskQueue) => {
    const env = { FARWEAVE_TASK_QUEUE: taskQueue, FARWEAVE_RECIPIENT: vault.recipient, FARWEAVE_UI: 'http://ui/' };
    const farweave = await connect({ address: inject('address'), env });
    try {
      await act(farweave);
    } finally {
      await farweave.close();
    }
  });
}

it('tells of each step once and in order, then of the outcome; again: 0 changed', async () => {
  machines.of('vm1').write('srv/hold/pkg.install'); // or all may be over between two looks
  await withFarweave(async (farweave) => {
    const plan = planOf('told');
    const heard = (text: string) => text.includes('Queued') && machines.of('vm1').remove('srv/hold');
    const first = await rollOut(farweave, plan, { heard });
    const lines = first.out.split('\n');
    const ofOne = lines.filter((line) => line.startsWith('vm1 db.start: '));
    expect(ofOne.at(0)).toBe('vm1 db.start: Queued');
    expect(ofOne.at(-1)).toBe('vm1 db.start: Done');
    expect(new Set(ofOne).size).toBe(ofOne.length);
    expect(first.out).toMatch(/^done: 25 changed, \d+ unchanged in /m);
    expect(first.out).toContain(
      `Web UI  http://ui/namespaces/default/workflows/rollout%3Atold%3A1/${first.begun.runId}/user-metadata`,
    );
    expect(first.exitCode).toBe(0);

    const second = await rollOut(farweave, plan);
    expect(second.out).toMatch(/^done: 0 changed, /);
    expect(second.exitCode).toBe(0);
    for (const value of Object.values(CANARIES)) expect(JSON.stringify([first, second])).not.toContain(value);
  });
});

it('redraws a tree in place on a terminal, and gives the cursor back', async () => {
  machines.of('vm1').write('srv/hold/pkg.install');
  await withFarweave(async (farweave) => {
    const begun = await apply(farweave, draftOf(planOf('live')), CANARIES);
    const { io, said } = console_({ live: true });
    const watching = accompany(farweave, begun, { io, json: false, events: false, self: 'farweave' });
    await until(() => said.out.includes(' pkg.install '));
    machines.of('vm1').remove('srv/hold');
    const exitCode = await watching;
    const frames = said.out.split('\u001b[?2026h');
    expect(frames.at(-1)).toMatch(/ site1\S*\n {3}vm1 {2}= sys {2}✔ pkg {2}✔ net {2}✔ db/);
    // Each frame begins where the one before it began.
    const heights = frames.slice(1).map((frame) => frame.split('\n').length - 1);
    expect(frames.slice(2).filter((frame, n) => !frame.startsWith(`\u001b[${heights[n]}A\r`))).toEqual([]);
    expect(said.out).toContain('\u001b[?25hdone: 25 changed');
    expect(exitCode).toBe(0);
  });
});

it('gives one JSON document on stdout', async () => {
  await withFarweave(async (farweave) => {
    const { out, err, exitCode } = await rollOut(farweave, planOf('json'), { json: true });
    expect(JSON.parse(out)).toMatchObject({
      cluster: 'json',
      revision: 1,
      purpose: 'apply',
      state: 'done',
      changed: 25,
      problems: [],
      steps: { '05-db.start': { vm1: 'done' } },
    });
    expect(err).toContain('vm1 db.start: Done');
    expect(exitCode).toBe(0);
  });
});

it('stops watching where a failure waits for somebody: short, long, what to do. The same apply tries again', async () => {
  machines.of('vm2').write('srv/fail/db.start', '1');
  await withFarweave(async (farweave) => {
    const plan = planOf('stuck', hostsOf(2, 2), { onFailure: 'pause' });
    const first = await rollOut(farweave, plan);
    expect(first.exitCode).toBe(1);
    expect(first.out).toMatch(/^vm2\n {2}CommandFailed {2}db\.start on vm2: exit code 1: E: it failed\n {4}\| /m);
    expect(first.out).toContain('    | E: it failed');
    expect(first.out).toMatch(/^ {2}farweave resume {2,}try again/m);

    machines.of('vm2').remove('srv/fail');
    const second = await rollOut(farweave, plan);
    expect(second.begun).toMatchObject({ attached: true, again: true, revision: 1 });
    expect(second.out).toMatch(/^done: \d+ changed, /m);
    expect(second.exitCode).toBe(0);
  });
});

it('exits with 1 where the policy undoes, and names the host', async () => {
  machines.of('vm4').write('srv/fail/db.start', '1');
  await withFarweave(async (farweave) => {
    const { exitCode, out } = await rollOut(farweave, planOf('undone'));
    expect(out).toMatch(/^vm4\n {2}CommandFailed {2}db\.start on vm4: exit code 1/m);
    expect(out).toMatch(/^undone: /m);
    expect(out).toMatch(/^vm1 pkg\.install: Undone$/m);
    expect(exitCode).toBe(1);
  });
});

it('leaves the rollout running at Ctrl-C, and says how to come back to it', async () => {
  await withFarweave(async (farweave) => {
    const begun = await apply(farweave, draftOf(planOf('left')), CANARIES);
    const handle = farweave.client.workflow.getHandle(begun.workflowId);
    await handle.signal(pauseSignal);
    const { io, said, interrupt } = console_();
    const watching = accompany(farweave, begun, { io, json: false, events: false, self: 'farweave -f x.yaml' });
    await until(() => said.out.includes('Queued') || said.err !== '');
    interrupt();
    expect(await watching).toBe(130);
    expect(said.err).toMatch(/Revision 1 goes on without this terminal\.\n {2}farweave -f x\.yaml watch/);
    expect((await handle.describe()).status.name).toBe('RUNNING');

    await handle.signal(resumeSignal);
    let last;
    for await (const view of watch(farweave, 'left', { interval: 100 })) last = view;
    expect(last?.outcome).toMatchObject({ state: 'done', changed: 25 });
    expect(await status(farweave, 'left')).toMatchObject({ revision: 1, last: { state: 'done' } });
  });
});

it('refuses, in the words of the cluster, what another rollout forbids', async () => {
  machines.of('vm1').write('srv/slow/pkg.install', '5');
  await withFarweave(async (farweave) => {
    await apply(farweave, draftOf(planOf('busy')), CANARIES);
    const other = planOf('busy', hostsOf(2, 2), { onFailure: 'continue' });
    await expect(apply(farweave, draftOf(other), CANARIES)).rejects.toMatchObject({
      name: 'Failure',
      exitCode: 1,
      message: expect.stringContaining('revision 1 of busy is under way'),
      hint: expect.stringContaining('farweave watch'),
    });
    for await (const view of watch(farweave, 'busy')) expect(view.cluster).toBe('busy');
  });
});

it('lets an apply wait for its turn, says for whom, and gives the rollout that it became', async () => {
  machines.of('vm1').write('srv/hold/pkg.install');
  await withFarweave(async (farweave) => {
    await apply(farweave, draftOf(planOf('turns')), CANARIES);
    const made = draftOf(planOf('turns', hostsOf(2, 2), { onFailure: 'continue' }));
    const queued = await apply(farweave, made, CANARIES, { queue: true });
    expect(queued).toMatchObject({ queued: true, attached: false, revision: 1 });
    const waiting = { cluster: 'turns', digest: made.digest, behind: queued.revision };
    const whom: string[] = [];
    const { signal } = new AbortController();
    const turn = turnOf(farweave, waiting, { signal, report: (said) => void whom.push(said) });
    await until(() => whom.length > 0);
    expect(whom[0]).toMatch(/^revision 1: apply for 4 hosts by \S+@\S+/);
    expect(await turnOf(farweave, waiting, { signal: AbortSignal.abort(), report: () => {} })).toBeUndefined();
    machines.of('vm1').remove('srv/hold');
    const rollout = await turn;
    expect(rollout).toEqual({ cluster: 'turns', revision: 2, workflowId: 'rollout:turns:2' });
    const { io, said } = console_();
    expect(await accompany(farweave, rollout!, { io, json: false, events: false, self: 'farweave' })).toBe(0);
    expect(said.out).toMatch(/^done: 0 changed, /m);
    // Who comes too late is told what became of it.
    const other = { ...waiting, digest: 'another' };
    await expect(turnOf(farweave, other, { signal, report: () => {} })).rejects.toThrow('This apply waits no longer.');
  });
});

it('asks the cluster for what makes no sense, and passes its words on', async () => {
  await withFarweave(async (farweave) => {
    await expect(followUp(farweave, 'nowhere')).rejects.toThrow('Nothing is known of this cluster here.');
    await rollOut(farweave, planOf('asked', hostsOf(1, 1)));
    await until(async () => (await status(farweave, 'asked'))?.rollout === undefined);
    await expect(followUp(farweave, 'asked')).rejects.toThrow('no host of asked is parked');
    await expect(withdraw(farweave, 'asked')).rejects.toThrow('no apply of asked waits for its turn');
    await expect(rollbackTo(farweave, 'asked')).rejects.toThrow('no earlier revision with another plan');
    const key = { host: 'vm1', fingerprint: 'SHA256:vm1' };
    await expect(acceptHostKey(farweave, 'asked', key)).rejects.toThrow('no other key than the known one');
  });
});

it('says that a rollout was ended from outside', async () => {
  machines.of('vm1').write('srv/slow/pkg.install', '5');
  await withFarweave(async (farweave) => {
    const begun = await apply(farweave, draftOf(planOf('ended')), CANARIES);
    await farweave.client.workflow.getHandle(begun.workflowId).terminate('by a test');
    const { io } = console_();
    const watching = accompany(farweave, begun, { io, json: false, events: false, self: 'farweave' });
    await expect(watching).rejects.toThrow(/rollout:ended:1 was ended from outside/);
  });
});

it('says so even of one that no worker has ever taken up', async () => {
  await withFarweave(async (farweave) => {
    const rollout = { cluster: 'unborn', revision: 1, workflowId: 'rollout:unborn:1' };
    const options = { workflowId: rollout.workflowId, taskQueue: 'nobody', args: [] };
    await (await farweave.client.workflow.start('rollout', options)).terminate('by a test');
    const { io } = console_();
    const watching = accompany(farweave, rollout, { io, json: false, events: false, self: 'farweave' });
    await expect(watching).rejects.toThrow(/rollout:unborn:1 was ended from outside/);
  });
});

describe('the command line', () => {
  it('names a queue that no worker asks for work', async () => {
    const env = { FARWEAVE_TASK_QUEUE: 'nobody' };
    await expect(connect({ address: inject('address'), env })).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(/^No worker asks for work at .*task queue nobody/),
    });
  });

  it('knows nothing of a cluster that was never rolled out', async () => {
    await withFarweave(async (farweave) => {
      expect(await status(farweave, 'nowhere')).toBeUndefined();
      await expect(watch(farweave, 'nowhere').next()).rejects.toThrow('Nothing has been rolled out onto nowhere yet');
    });
    expect((await commandLine(['dev', 'status'], { cwd: '/nowhere' })).exitCode).toBe(1);
  });
});
