import { WorkflowUpdateFailedError } from '@temporalio/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/plan.ts';
import {
  type Control,
  type ControlReply,
  type Controls,
  pauseSignal,
  progressQuery,
  REFUSED,
} from '../../src/workflows/contract.ts';
import { connected, outcome, start, until, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

type Handle = Awaited<ReturnType<typeof start>>;

const names = ['vm1', 'vm2', 'vm3', 'vm4'];
const times = (name: string, what: string) => machines.of(name).log.filter((line) => line === what).length;
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
const isStuck = async (handle: Handle) => (await handle.query(progressQuery)).stuck === true;

/** Only vm1 may have the set, so that the others can be left out. */
function paused(name: string, more: Partial<Plan> = {}, hosts = hostsOf(2, 2)): Plan {
  const plan = planOf(name, hosts, { onFailure: 'pause', ...more });
  const isOnce = (stage: Plan['stages'][number]) => stage.operation === 'db.initiate';
  return { ...plan, stages: plan.stages.map((stage) => (isOnce(stage) ? { ...stage, hosts: ['vm1'] } : stage)) };
}

function ask<Name extends Control>(handle: Handle, control: Name, request: Controls[Name]): Promise<string> {
  const update = handle.executeUpdate<ControlReply, [Controls[Name]]>(control, { args: [request] });
  return update.then(({ said }) => said);
}

/** Why it was refused. */
async function refusal<Name extends Control>(handle: Handle, control: Name, request: Controls[Name]): Promise<string> {
  const error: unknown = await ask(handle, control, request).catch((e: unknown) => e);
  if (!(error instanceof WorkflowUpdateFailedError)) throw new Error(`${control} was not refused: ${String(error)}`);
  expect(error.cause).toMatchObject({ type: REFUSED });
  return error.cause?.message ?? '';
}

it('leaves out the host that fails once somebody says so, and brings the others to their end', async () => {
  machines.of('vm4').write('srv/fail/db.start', '1');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('skip'));
    await until(() => isStuck(handle));
    expect(await ask(handle, 'skip', { host: 'vm4', by: 'ada', reason: 'disk' })).toBe(
      'vm4 is left out: what runs there finishes, and the others go on',
    );
    const ended = await outcome(handle);
    expect(ended).toMatchObject({ state: 'done', parked: ['vm4'] });
    expect(ended.problems.at(-1)).toMatchObject({
      host: 'vm4',
      type: 'Skipped',
      message: 'vm4 is left out by ada: disk',
    });
    for (const name of ['vm1', 'vm2', 'vm3']) expect(machines.of(name).read('srv/zone')).toBe('eu\n');
    expect(machines.of('vm4').read('srv/zone')).toBeUndefined();
  });
});

it('tries again on one host what somebody has mended, and waits on for a decision about the other', async () => {
  for (const name of ['vm2', 'vm4']) machines.of(name).write('srv/fail/db.start', '1');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('retry'));
    await until(() => isStuck(handle));
    machines.of('vm2').remove('srv/fail');
    expect(await ask(handle, 'retry', { host: 'vm2', step: 'db.start' })).toBe('tries again what has failed on vm2');
    await pause(300);
    const progress = await handle.query(progressQuery);
    expect(progress).toMatchObject({ state: 'paused', stuck: true, waits: { for: 'decision' } });
    expect(progress.problems).toMatchObject([{ host: 'vm4' }]);
    await ask(handle, 'skip', { host: 'vm4' });
    expect(await outcome(handle)).toMatchObject({ state: 'done', parked: ['vm4'] });
    expect(times('vm2', 'db.start')).toBe(2);
  });
});

it('refuses what makes no sense now, says why, and leaves no trace of it in history', async () => {
  machines.of('vm1').write('srv/hold/pkg.install');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('refused', {}, hostsOf(1, 1)));
    await until(() => times('vm1', 'pkg.install') === 1);
    expect(await refusal(handle, 'resume', {})).toBe('it is not paused');
    expect(await refusal(handle, 'approve', {})).toBe('it waits for no approval');
    expect(await refusal(handle, 'skip', { host: 'vm9' })).toBe('there is no host "vm9": vm1');
    expect(await refusal(handle, 'batch', { size: 0 })).toContain('1 at least');
    const { events } = await handle.fetchHistory();
    expect(events?.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes)).toEqual([]);
    machines.of('vm1').remove('srv/hold');
    expect(await outcome(handle)).toMatchObject({ state: 'done' });
  });
});

it('ends two contradictory controls in one of the two orders', async () => {
  machines.of('vm4').write('srv/fail/db.start', '1');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('both'));
    await until(() => isStuck(handle));
    const said = await Promise.allSettled([
      ask(handle, 'rollback', { by: 'ada' }),
      ask(handle, 'skip', { by: 'bob', host: 'vm4' }),
    ]);
    expect(said[0].status).toBe('fulfilled');
    const ended = await outcome(handle);
    expect(ended.state).toBe('undone');
    // Where the skip came first the others may have gone on for a moment.
    expect(ended.left.filter((line) => !line.startsWith('db.initiate on'))).toEqual([]);
    for (const name of names) expect(machines.of(name).list('srv/pkg')).toEqual([]);
  });
});

it('cancelled with undo, it ends what runs on the hosts and takes back what it changed', async () => {
  machines.of('vm1').write('srv/slow/db.start', '60');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('put-an-end', {}, hostsOf(1, 2)));
    await until(() => times('vm1', 'db.start') === 1);
    expect(await ask(handle, 'cancel', { undo: true, by: 'ada' })).toContain('takes back');
    const ended = await outcome(handle);
    expect(ended).toMatchObject({ state: 'undone', left: [] });
    for (const name of ['vm1', 'vm2'])
      for (const file of ['srv/peers', 'srv/net.json', 'srv/db']) expect(machines.of(name).read(file)).toBeUndefined();
  });
}, 60_000);

it('cancelled by a control, it leaves what is done and says what that was', async () => {
  machines.of('vm1').write('srv/slow/db.start', '60');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('left-alone', {}, hostsOf(1, 2)));
    await until(() => times('vm1', 'db.start') === 1);
    await ask(handle, 'cancel', {});
    const ended = await outcome(handle);
    expect(ended.state).toBe('cancelled');
    expect(ended.changed).toBeGreaterThan(2);
    expect(machines.of('vm2').list('srv/pkg')).toEqual(['engine']);
  });
}, 60_000);

it('takes back what it changed on one host, while the others go on', async () => {
  machines.of('vm2').write('srv/fail/db.start', '1');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('given-up'));
    await until(() => isStuck(handle));
    await ask(handle, 'rollback', { hosts: ['vm2'], by: 'ada' });
    const ended = await outcome(handle);
    expect(ended).toMatchObject({ state: 'done', parked: ['vm2'], left: [] });
    expect(machines.of('vm2').list('srv/pkg')).toEqual([]);
    expect(machines.of('vm2').read('srv/peers')).toBeUndefined();
    expect(machines.of('vm1').read('srv/zone')).toBe('eu\n');
  });
});

it('takes back what it changed on the hosts of the wave that is under way', async () => {
  machines.of('vm3').write('srv/hold/net.configure');
  const policy = {
    waves: [
      ['vm1', 'vm2'],
      ['vm3', 'vm4'],
    ],
  };
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('wave', { policy }, hostsOf(1, 4)));
    await until(() => times('vm3', 'net.configure') === 1);
    await ask(handle, 'rollback', { wave: true, by: 'ada' });
    machines.of('vm3').remove('srv/hold');
    expect(await outcome(handle)).toMatchObject({ state: 'done', parked: ['vm3', 'vm4'], left: [] });
    for (const name of ['vm1', 'vm2']) expect(machines.of(name).read('srv/zone')).toBe('eu\n');
    for (const name of ['vm3', 'vm4']) expect(machines.of(name).list('srv/pkg')).toEqual([]);
  });
}, 30_000);

it('takes a host along again that was left out, from the beginning', async () => {
  machines.of('vm1').write('srv/hold/pkg.install');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('back', {}, hostsOf(1, 2)));
    await until(() => times('vm1', 'pkg.install') === 1);
    await ask(handle, 'skip', { host: 'vm2' });
    await ask(handle, 'retry', { host: 'vm2' });
    machines.of('vm1').remove('srv/hold');
    expect(await outcome(handle)).toMatchObject({ state: 'done', parked: [], problems: [] });
    for (const name of ['vm1', 'vm2']) expect(machines.of(name).read('srv/zone')).toBe('eu\n');
  });
});

it('waits for an approval before it changes anything, and ends where none comes in time', async () => {
  await withWorker(machines, async (queue) => {
    const asking = (expires: number) => ({ policy: { approval: { before: 'start', expires } } }) as const;
    const late = await start(queue, paused('late', asking(500), hostsOf(1, 1)));
    expect(await outcome(late)).toMatchObject({ state: 'cancelled', changed: 0 });
    const handle = await start(queue, paused('approved', asking(60_000), hostsOf(1, 1)));
    await until(async () => (await handle.query(progressQuery)).waits?.for === 'approval');
    expect(machines.of('vm1').log).toEqual([]);
    expect(await ask(handle, 'approve', { by: 'ada' })).toBe('approved: it goes on');
    const ended = await outcome(handle);
    expect(ended).toMatchObject({ state: 'done' });
    // Nothing to do, nothing to approve.
    const again = await start(queue, paused('approved', asking(60_000), hostsOf(1, 1)), {
      revision: 2,
      facts: ended.facts,
    });
    expect(await outcome(again)).toMatchObject({ state: 'done', changed: 0 });
  });
});

it('goes in waves: the canary, an approval, then the others, as many as somebody says', async () => {
  const policy = {
    waves: [['vm1'], ['vm2', 'vm3', 'vm4']],
    canary: true,
    soak: 300,
    approval: { before: 'rest', expires: 60_000 },
  } as const;
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('waves', { policy }, hostsOf(1, 4)));
    await until(async () => (await handle.query(progressQuery)).waits?.for === 'approval');
    expect(names.map((name) => times(name, 'pkg.install'))).toEqual([1, 0, 0, 0]);
    await ask(handle, 'batch', { size: 1 });
    machines.of('vm2').write('srv/hold/pkg.install');
    await ask(handle, 'approve', {});
    await until(() => times('vm2', 'pkg.install') === 1);
    expect((await handle.query(progressQuery)).wave).toEqual({ number: 2, of: 4, hosts: ['vm2'] });
    await pause(300);
    expect(names.map((name) => times(name, 'pkg.install'))).toEqual([1, 1, 0, 0]);
    machines.of('vm2').remove('srv/hold');
    expect(await outcome(handle)).toMatchObject({ state: 'done', changed: 25 });
  });
}, 60_000);

it('begins nothing at a site before its window opens', async () => {
  const day = (new Date().getUTCDay() + 3) % 7;
  const policy = { windows: { site1: { timezone: 'UTC', days: [day], from: '10:00', to: '11:00' } } };
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('window', { policy }, hostsOf(2, 1)));
    await until(() => machines.of('vm2').read('srv/net.json') !== undefined);
    await until(async () => (await handle.query(progressQuery)).children.length === 1);
    expect(machines.of('vm1').log).toEqual([]);
    await ask(handle, 'cancel', {});
    expect((await outcome(handle)).state).toBe('cancelled');
    expect(machines.of('vm1').log).toEqual([]);
  });
});

/** The check of the toys' database spares one host; installing a package disturbs it. */
function guarded(name: string, more: Partial<Plan> = {}): Plan {
  const plan = paused(name, more, hostsOf(2, 2));
  const stages = plan.stages.map((stage) => {
    const { afterChange: _, ...rest } = stage;
    if (stage.operation === 'db.healthy') return { ...rest, spare: 1 };
    if (stage.operation === 'db.label') return { ...stage, gate: { operation: 'db.healthy', args: {}, secrets: [] } };
    return stage.operation === 'pkg.install' ? { ...stage, disrupts: true as const } : stage;
  });
  return { ...plan, stages };
}

it('disturbs no two hosts at once of which only one can be spared, though they stand in different sites', async () => {
  await withWorker(machines, async (queue) => {
    const first = await outcome(await start(queue, guarded('guarded')));
    expect(first).toMatchObject({ state: 'done' });
    for (const name of names) {
      machines.of(name).remove('srv/pkg');
      machines.of(name).write('srv/hold/pkg.install');
    }
    const handle = await start(queue, guarded('guarded'), { revision: 2, facts: first.facts });
    const done = () => names.map((name) => times(name, 'pkg.install') - 1).filter((n) => n > 0).length;
    for (const [n, name] of names.entries()) {
      await until(() => times(name, 'pkg.install') === 2);
      await pause(300);
      expect(done()).toBe(n + 1);
      machines.of(name).remove('srv/hold');
    }
    expect(await outcome(handle)).toMatchObject({ state: 'done', changed: 4 });
  });
}, 60_000);

it('asks a host of two services of one kind at the same time', async () => {
  await withWorker(machines, async (queue) => {
    const plan = guarded('twins', { patience: {} });
    const second = {
      ...plan.stages.find(({ operation }) => operation === 'db.healthy')!,
      id: '09-db.healthy',
      lane: 99,
    };
    const segments = [...plan.segments, { scope: 'cluster', stages: [second.id] } as const];
    const twins = { ...plan, stages: [...plan.stages, second], segments };
    const first = await outcome(await start(queue, twins));
    for (const name of names) machines.of(name).remove('srv/pkg');
    const handle = await start(queue, twins, { revision: 2, facts: { ...first.facts, 'db.role': { vm1: 'PRIMARY' } } });
    expect(await outcome(handle)).toMatchObject({ state: 'done', changed: 4 });
  });
}, 60_000);

it('stops before the next host is disturbed where the last one does not serve again', async () => {
  await withWorker(machines, async (queue) => {
    const first = await outcome(await start(queue, guarded('ill')));
    for (const name of names) machines.of(name).remove('srv/pkg');
    machines.of('vm1').write('srv/hold/pkg.install');
    const handle = await start(queue, guarded('ill'), { revision: 2, facts: first.facts });
    await until(() => times('vm1', 'pkg.install') === 2);
    machines.of('vm1').write('srv/health', 'ill');
    machines.of('vm1').remove('srv/hold');
    await until(() => isStuck(handle));
    expect((await handle.query(progressQuery)).problems).toMatchObject([{ host: 'vm1', type: 'GateClosed' }]);
    expect(names.slice(1).map((name) => times(name, 'pkg.install'))).toEqual([1, 1, 1]);
    machines.of('vm1').remove('srv/health');
    await ask(handle, 'rollback', {});
    expect(await outcome(handle)).toMatchObject({ state: 'undone', left: [] });
  });
}, 60_000);

it('works first on a host that does not serve, which takes nothing away', async () => {
  await withWorker(machines, async (queue) => {
    const plan = guarded('healed', { patience: {} });
    const first = await outcome(await start(queue, plan));
    for (const name of names) machines.of(name).remove('srv/pkg');
    machines.of('vm2').write('srv/health', 'ill');
    machines.of('vm3').write('srv/hold/pkg.install');
    const facts = { ...first.facts, 'db.role': { vm2: 'SECONDARY' } }; // it has served
    const handle = await start(queue, plan, { revision: 2, facts });
    await until(() => times('vm3', 'pkg.install') === 2);
    expect(names.map((name) => times(name, 'pkg.install'))).toEqual([2, 2, 2, 1]);
    machines.of('vm2').remove('srv/health');
    machines.of('vm3').remove('srv/hold');
    expect(await outcome(handle)).toMatchObject({ state: 'done', changed: 4 });
  });
}, 60_000);

it('takes a host along that somebody names while the last of the others runs', async () => {
  machines.of('vm1').write('srv/hold/db.label');
  await withWorker(machines, async (queue) => {
    const whole = paused('last', {}, hostsOf(1, 2));
    const plan = { ...whole, segments: whole.segments.slice(0, -1), stages: whole.stages.slice(0, -1) };
    const handle = await start(queue, plan);
    await until(() => times('vm1', 'db.label') === 1);
    await ask(handle, 'skip', { host: 'vm2' });
    await ask(handle, 'retry', { host: 'vm2' });
    machines.of('vm1').remove('srv/hold');
    expect(await outcome(handle)).toMatchObject({ state: 'done', parked: [], problems: [] });
    expect(machines.of('vm2').read('srv/zone')).toBe('eu\n');
  });
}, 60_000);

it('asks those that are left before it disturbs one while another cannot be reached', async () => {
  await withWorker(machines, async (queue) => {
    const whole = guarded('away', { budget: 1, patience: {} });
    const guard = { operation: 'net.configure', args: { mtu: 1400 }, secrets: [], timeout: 1_000 };
    const isCheck = (stage: Plan['stages'][number]) => stage.operation === 'db.healthy';
    const plan = { ...whole, stages: whole.stages.map((stage) => (isCheck(stage) ? { ...stage, guard } : stage)) };
    const first = await outcome(await start(queue, { ...plan, budget: 0 }));
    const rolled = (revision: number) => {
      for (const name of names) machines.of(name).remove('srv/pkg');
      return start(queue, plan, { revision, facts: first.facts });
    };
    machines.of('vm4').write('unreachable');
    // Those that are left miss nobody: it goes on without the host, one after another.
    expect(await outcome(await rolled(2))).toMatchObject({ state: 'done', parked: ['vm4'], changed: 3 });
    machines.of('vm2').remove('srv/net.json'); // what the gate asks for
    const handle = await rolled(3);
    await until(() => isStuck(handle));
    expect((await handle.query(progressQuery)).problems.at(-1)).toMatchObject({ host: 'vm2', type: 'GateClosed' });
    expect(names.map((name) => times(name, 'pkg.install'))).toEqual([2, 2, 2, 1]);
    await handle.terminate();
  });
}, 60_000);

/** The step that disturbs spans the cluster, one host after another; members say by a package whether they can do without another. */
function spanned(name: string, more: Partial<Plan> = {}): Plan {
  const whole = guarded(name, more);
  const guard = { operation: 'pkg.install', args: { package: 'spare' }, secrets: [], timeout: 1_000 };
  const stages = whole.stages.map((stage) => {
    const { disrupts: _, ...rest } = stage;
    if (rest.operation === 'db.healthy') return { ...rest, guard };
    if (rest.operation !== 'db.label' || rest.scope === 'host') return rest;
    return { ...rest, disrupts: true as const, scope: 'cluster' as const, order: { rolling: 1 } };
  });
  const segments = whole.segments.flatMap((segment) => {
    const others = segment.stages.filter((id) => !id.endsWith('db.label'));
    const own = segment.stages.filter((id) => id.endsWith('db.label'));
    const parts = [
      { ...segment, stages: others },
      { scope: 'cluster' as const, stages: own },
    ];
    return parts.filter((part) => part.stages.length > 0);
  });
  return { ...whole, stages, segments };
}

it('asks those that are left before a step that spans the cluster disturbs one while another cannot be reached', async () => {
  await withWorker(machines, async (queue) => {
    const plan = spanned('spanned', { budget: 1, patience: {} });
    for (const name of names) machines.of(name).write('srv/pkg/spare');
    const first = await outcome(await start(queue, { ...plan, budget: 0 }));
    const rolled = (revision: number) => {
      for (const name of names) machines.of(name).remove('srv/zone');
      return start(queue, plan, { revision, facts: first.facts });
    };
    const labelled = () => names.map((name) => times(name, 'db.label'));
    machines.of('vm4').write('unreachable');
    expect(await outcome(await rolled(2))).toMatchObject({ state: 'done', parked: ['vm4'], changed: 3 });
    expect(labelled()).toEqual([2, 2, 2, 1]);
    machines.of('vm2').remove('srv/pkg/spare');
    const handle = await rolled(3);
    await until(() => isStuck(handle));
    expect((await handle.query(progressQuery)).problems.at(-1)).toMatchObject({ host: 'vm2', type: 'GateClosed' });
    expect(labelled()).toEqual([3, 2, 2, 1]);
    await handle.terminate();
  });
}, 60_000);

it('asks nobody to do without what it has stopped itself', async () => {
  await withWorker(machines, async (queue) => {
    const whole = spanned('halted', { budget: 1, patience: {} });
    const halts = (stage: Plan['stages'][number]) =>
      stage.operation === 'db.start' ? { ...stage, halts: true as const } : stage;
    const plan = { ...whole, stages: whole.stages.map(halts) };
    for (const name of names) machines.of(name).write('srv/pkg/spare');
    const first = await outcome(await start(queue, { ...plan, budget: 0 }));
    for (const name of names) {
      for (const file of ['srv/db', 'srv/zone', 'srv/pkg/spare']) machines.of(name).remove(file);
    }
    machines.of('vm4').write('unreachable');
    const second = await start(queue, plan, { revision: 2, facts: first.facts });
    expect(await outcome(second)).toMatchObject({ state: 'done', parked: ['vm4'], problems: [{ host: 'vm4' }] });
    expect(names.map((name) => times(name, 'db.label'))).toEqual([2, 2, 2, 1]);
  });
}, 60_000);

it('lets a step that spans the cluster heal a host that does not serve, and nobody is asked to do without it', async () => {
  await withWorker(machines, async (queue) => {
    const plan = spanned('spanned-healed', { patience: {} });
    const first = await outcome(await start(queue, plan));
    machines.of('vm2').remove('srv/zone');
    machines.of('vm2').write('srv/health', 'ill');
    const facts = { ...first.facts, 'db.role': { vm2: 'SECONDARY' } }; // it has served
    const handle = await start(queue, plan, { revision: 2, facts });
    await until(() => times('vm2', 'db.label') === 2);
    machines.of('vm2').remove('srv/health');
    expect(await outcome(handle)).toMatchObject({ state: 'done', changed: 1, problems: [] });
  });
}, 60_000);

it('notes a signal that makes no sense, and does nothing', async () => {
  machines.of('vm1').write('srv/hold/pkg.install');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, paused('signalled', {}, hostsOf(1, 1)));
    await until(() => times('vm1', 'pkg.install') === 1);
    await handle.signal('skip', { host: 'vm9', by: 'ada' });
    await handle.signal(pauseSignal, { by: 'ada' });
    await until(async () => (await handle.query(progressQuery)).state === 'paused');
    await handle.signal('resume', { by: 'ada' });
    machines.of('vm1').remove('srv/hold');
    expect(await outcome(handle)).toMatchObject({ state: 'done', parked: [] });
  });
});
