import type { WorkflowFailedError } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pauseSignal, progressQuery, resumeSignal, rollbackSignal, siteId } from '../../src/workflows/contract.ts';
import { CANARIES, client, connected, measure, outcome, start, until, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

const names = ['vm1', 'vm2', 'vm3', 'vm4'];
const times = (name: string, what: string) => machines.of(name).log.filter((line) => line === what).length;

it('undoes in reverse what it changed, and only that', async () => {
  machines.of('vm1').write('srv/pkg/engine');
  machines.of('vm2').write('srv/net.json', 'as it was');
  machines.of('vm4').write('srv/fail/db.start', '1');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, planOf('undo'));
    const ended = await outcome(handle);
    expect(ended).toMatchObject({ state: 'undone', left: [], problems: [{ host: 'vm4', type: 'CommandFailed' }] });
    expect(ended.problems[0]?.log).toContain('E: it failed');
    const error: unknown = await handle.result().catch((e: unknown) => e);
    const message = (error as WorkflowFailedError).cause?.message.split('\n') ?? [];
    expect(message[0]).toBe('db.start on vm4: exit code 1: E: it failed');
    expect(message.at(-1)).toMatch(/^What to do: .*apply again/);
    const { typedSearchAttributes } = await handle.describe();
    expect(typedSearchAttributes.get(defineSearchAttributeKey('FarweaveState', 'KEYWORD'))).toBe('undone');
    expect(machines.of('vm1').list('srv/pkg')).toEqual(['engine']);
    expect(machines.of('vm2').read('srv/net.json')).toBe('as it was');
    for (const name of ['vm2', 'vm3', 'vm4']) expect(machines.of(name).list('srv/pkg')).toEqual([]);
    for (const name of names) {
      expect(machines.of(name).read('srv/peers')).toBeUndefined();
      expect(machines.of(name).list('farweave/receipts')).toEqual([]);
    }
    expect(machines.of('vm3').log.filter((line) => line.startsWith('undo'))).toEqual([
      'undo net.configure',
      'undo pkg.install',
    ]);
  });
});

it('says what it could not take back', async () => {
  machines.of('vm4').write('srv/fail/db.label', '1');
  await withWorker(machines, async (queue) => {
    const ended = await outcome(await start(queue, planOf('irreversible')));
    expect(ended.state).toBe('undone');
    expect(ended.left).toEqual(['db.initiate on vm1: a set may hold data as soon as it exists']);
    expect(machines.of('vm1').read('srv/zone')).toBeUndefined();
  });
});

it('is refused by a preflight: every host is named and nothing is changed anywhere', async () => {
  machines.of('vm2').write('srv/os', 'plan9');
  machines.of('vm3').write('srv/os', 'beos');
  machines.of('vm4').write('password', 'another');
  await withWorker(machines, async (queue) => {
    const ended = await outcome(await start(queue, planOf('preflight', hostsOf(2, 2), { onFailure: 'pause' })));
    expect(ended).toMatchObject({ state: 'failed', changed: 0 });
    expect(Object.fromEntries(ended.problems.map(({ host, type }) => [host, type]))).toEqual({
      vm2: 'NotConverged',
      vm3: 'NotConverged',
      vm4: 'AuthenticationFailed',
    });
    expect(ended.problems.map(({ message }) => message).join()).toContain('plan9, not debian');
    for (const name of names) expect(machines.of(name).log).toEqual([]);
  });
});

it('parks a host that cannot be reached, within the budget', async () => {
  machines.of('vm2').write('unreachable');
  await withWorker(machines, async (queue) => {
    const plan = planOf('park');
    // Once-only work is refused while a host is parked that may have it: here vm2 is not one of them.
    const stages = plan.stages.map((stage) =>
      stage.operation === 'db.initiate' ? { ...stage, hosts: ['vm1', 'vm3'] } : stage,
    );
    const ended = await outcome(await start(queue, { ...plan, stages }));
    expect(ended).toMatchObject({
      state: 'done',
      parked: ['vm2'],
      changed: 19,
      problems: [{ host: 'vm2', type: 'Unreachable' }],
    });
    machines.of('vm4').write('unreachable');
    const over = await outcome(await start(queue, { ...plan, stages }, { revision: 2 }));
    expect(over).toMatchObject({ state: 'failed', changed: 0 });
    expect(over.parked.toSorted()).toEqual(['vm2', 'vm4']);
  });
});

it('does not do once-only work while a host is parked that may have it done', async () => {
  machines.of('vm2').write('unreachable');
  await withWorker(machines, async (queue) => {
    const ended = await outcome(await start(queue, planOf('refuse', hostsOf(2, 2), { onFailure: 'continue' })));
    expect(ended.state).toBe('failed');
    expect(ended.problems.map(({ message }) => message).join()).toContain(
      'db.initiate is done once only, and vm2 is parked',
    );
    for (const name of names) expect(times(name, 'db.initiate')).toBe(0);
  });
});

it('parks a host that shows another key than last time', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('key');
    const first = await outcome(await start(queue, plan));
    machines.of('vm3').write('hostkey', 'SHA256:another');
    const second = await outcome(await start(queue, plan, { revision: 2, facts: first.facts }));
    expect(second).toMatchObject({
      state: 'done',
      parked: ['vm3'],
      problems: [{ host: 'vm3', type: 'HostKeyChanged' }],
    });
    // The spec's pin wins over what was seen last.
    const hosts = plan.hosts.map((host) => (host.name === 'vm3' ? { ...host, hostKey: 'SHA256:another' } : host));
    const third = await outcome(await start(queue, { ...plan, hosts }, { revision: 3, facts: first.facts }));
    expect(third).toMatchObject({ state: 'done', parked: [], changed: 0 });
  });
});

it('pauses on a failure; resume tries again what failed, and only that', async () => {
  machines.of('vm4').write('srv/fail/db.start', '1');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, planOf('resume', hostsOf(2, 2), { onFailure: 'pause' }));
    await until(async () => (await handle.query(progressQuery)).state === 'paused');
    const progress = await handle.query(progressQuery);
    expect(progress.problems).toMatchObject([{ host: 'vm4', stage: '05-db.start', type: 'CommandFailed' }]);
    expect(progress.steps['05-db.start']?.['vm4']).toBe('failed');
    machines.of('vm4').remove('srv/fail');
    await handle.signal(resumeSignal, { by: 'me' });
    expect(await outcome(handle)).toMatchObject({ state: 'done', changed: 25, problems: [] });
    for (const name of names) expect(times(name, 'net.join')).toBe(1);
    expect(times('vm4', 'db.start')).toBe(2);
  });
});

it('pauses on a failure; rollback undoes, cancel leaves all as it is', async () => {
  machines.of('vm4').write('srv/fail/db.start', '1');
  await withWorker(machines, async (queue) => {
    const plan = planOf('decide', hostsOf(2, 2), { onFailure: 'pause' });
    const cancelled = await start(queue, plan);
    await until(async () => (await cancelled.query(progressQuery)).state === 'paused');
    await cancelled.cancel();
    expect((await outcome(cancelled)).state).toBe('cancelled');
    expect((await cancelled.describe()).status.name).toBe('CANCELLED');
    expect(machines.of('vm1').list('srv/pkg')).toEqual(['engine']);

    const undone = await start(queue, plan, { revision: 2 });
    await until(async () => (await undone.query(progressQuery)).state === 'paused');
    await undone.signal(rollbackSignal, { by: 'me', reason: 'enough' });
    expect((await outcome(undone)).state).toBe('undone');
    // Changed by the first rollout: not the second one's to undo.
    expect(machines.of('vm1').list('srv/pkg')).toEqual(['engine']);
  });
});

it('goes on past a host that fails, where that is the policy', async () => {
  machines.of('vm2').write('srv/fail/net.configure', '1');
  await withWorker(machines, async (queue) => {
    const plan = planOf('continue', hostsOf(2, 2), { onFailure: 'continue' });
    const stages = plan.stages.map((stage) =>
      stage.operation === 'db.initiate' ? { ...stage, hosts: ['vm1'] } : stage,
    );
    const ended = await outcome(await start(queue, { ...plan, stages }));
    expect(ended).toMatchObject({ state: 'done', parked: ['vm2'], problems: [{ host: 'vm2', type: 'CommandFailed' }] });
    expect(machines.of('vm4').read('srv/zone')).toBe('eu\n');
  });
});

it('tries a class of failures again as patience allows, as a new job', async () => {
  machines.of('vm1').write('srv/fail/pkg.install', '75');
  await withWorker(machines, async (queue) => {
    const patience = { PackageManagerLocked: [700, 700, 700] };
    const handle = await start(queue, planOf('patience', hostsOf(1, 1), { patience }));
    const vm1 = machines.of('vm1');
    const failed = () => vm1.list('jobs').filter((key) => vm1.read(`jobs/${key}/status`)?.trim() === '75');
    await until(() => failed().length === 2);
    machines.of('vm1').remove('srv/fail');
    expect(await outcome(handle)).toMatchObject({ state: 'done', problems: [] });
    expect(times('vm1', 'pkg.install')).toBe(3);
  });
});

it('cancelled, it ends what runs on the hosts and leaves what is done', async () => {
  machines.of('vm1').write('srv/slow/net.configure', '30');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, planOf('cancel', hostsOf(1, 1)));
    await until(() => times('vm1', 'net.configure') === 1);
    await handle.cancel();
    const began = Date.now();
    expect((await outcome(handle)).state).toBe('cancelled');
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(machines.of('vm1').list('srv')).toEqual(['log', 'pkg', 'slow']);
  });
});

it('paused, it holds back new steps until it is resumed', async () => {
  for (const name of names) machines.of(name).write('srv/slow/pkg.install', '3');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, planOf('pause'));
    await until(() => names.every((name) => times(name, 'pkg.install') === 1));
    await handle.signal(pauseSignal, { by: 'me', reason: 'lunch' });
    await until(() => names.every((name) => machines.of(name).list('srv/pkg').length === 1));
    await new Promise((done) => setTimeout(done, 1_500));
    expect(names.flatMap((name) => machines.of(name).log)).toEqual(names.map(() => 'pkg.install'));
    expect(await handle.query(progressQuery)).toMatchObject({ state: 'paused', doing: 'paused by me: lunch' });
    await handle.signal(resumeSignal, { by: 'me' });
    expect(await outcome(handle)).toMatchObject({ state: 'done' });
  });
});

it('undoes a terminated site by its receipts, and not under a step that still runs there', async () => {
  for (const name of ['vm1', 'vm2']) machines.of(name).write('srv/slow/net.join', '2');
  await withWorker(machines, async (queue) => {
    const handle = await start(queue, planOf('terminated'));
    await until(() => times('vm1', 'net.join') === 1);
    await client.workflow.getHandle(siteId('terminated', 1, 1, 'site1')).terminate('by a test');
    const ended = await outcome(handle);
    expect(ended.problems).toMatchObject([{ message: expect.stringContaining('site site1') as string }]);
    expect(ended).toMatchObject({ state: 'undone', left: [] });
    for (const name of names) {
      expect(machines.of(name).list('srv/pkg')).toEqual([]);
      expect(machines.of(name).read('srv/peers')).toBeUndefined();
    }
    expect(
      machines
        .of('vm1')
        .list('jobs')
        .every((key) => machines.of('vm1').read(`jobs/${key}/status`)),
    ).toBe(true);
  });
});

it('fails at once on an operation that no worker knows', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('unknown', hostsOf(1, 1));
    const stages = plan.stages.map((stage) => ({
      ...stage,
      operation: stage.operation.replace('pkg.install', 'pkg.instal'),
    }));
    const ended = await outcome(await start(queue, { ...plan, stages }));
    expect(ended.problems[0]).toMatchObject({
      type: 'UnknownOperation',
      message: 'survey of vm1: no worker here knows pkg.instal',
    });
  });
});

it('keeps secrets out of every history, even those that a script prints before it fails', async () => {
  machines.of('vm1').write('password', CANARIES['vm.password']);
  machines.of('vm4').write('srv/late/db.start', '1');
  await withWorker(machines, async (queue) => {
    const ended = await outcome(await start(queue, planOf('secrets')));
    expect(ended.state).toBe('undone');
    expect(ended.problems[0]).toMatchObject({ host: 'vm4', log: 'started with ***' });
    const { histories } = await measure('secrets', 1);
    expect(histories).toContain('started with ***');
    expect(histories).not.toContain('canary');
    expect(machines.of('vm4').log).toContain('db.start');
  });
});

it('takes a parked host along from the beginning once somebody says to try again', async () => {
  machines.of('vm2').write('unreachable');
  machines.of('vm1').write('srv/fail/db.label', '1');
  await withWorker(machines, async (queue) => {
    const plan = planOf('resumed', hostsOf(1, 3), { onFailure: 'pause', budget: 1 });
    const stages = plan.stages.map((stage) =>
      stage.operation === 'db.initiate' ? { ...stage, hosts: ['vm1'] } : stage,
    );
    const handle = await start(queue, { ...plan, stages });
    await until(async () => (await handle.query(progressQuery)).stuck === true);
    expect((await handle.query(progressQuery)).parked).toEqual(['vm2']);
    machines.of('vm2').remove('unreachable');
    machines.of('vm1').remove('srv/fail');
    await handle.signal(resumeSignal, {});
    expect(await outcome(handle)).toMatchObject({ state: 'done', parked: [] });
    for (const what of ['pkg.install', 'net.join', 'db.start', 'db.label']) expect(times('vm2', what)).toBe(1);
    for (const what of ['pkg.install', 'db.start', 'db.initiate']) expect(times('vm1', what)).toBe(1);
    // They had gone on without it, and have learnt of it.
    for (const name of ['vm1', 'vm3']) expect(machines.of(name).read('srv/peers')).toContain('vm2 key-of-vm2');
  });
});

it('waits in an undo once for a host that is gone, not once for each of its steps', async () => {
  machines.of('vm2').write('srv/fail/db.label', '1');
  machines.of('vm1').write('srv/slow/db.label', '2');
  await withWorker(machines, async (queue) => {
    const plan = planOf('gone', hostsOf(1, 2), { patience: { Unreachable: [1_500] } });
    const handle = await start(queue, plan);
    await until(() => times('vm1', 'db.label') === 1);
    machines.of('vm1').write('unreachable');
    const ended = await outcome(handle);
    expect(ended.state).toBe('undone');
    expect(ended.left.filter((line) => line.includes('vm1: it does not answer')).length).toBeGreaterThan(2);
    expect(machines.of('vm2').list('srv/pkg')).toEqual([]);
  });
});

it('does not touch the next host while one that was done before is not well', async () => {
  await withWorker(machines, async (queue) => {
    const plan = planOf('unwell', hostsOf(1, 2), { onFailure: 'pause' });
    const gate = { operation: 'db.healthy', args: {}, secrets: [], timeout: 1_000 };
    const stages = plan.stages.map((stage) => (stage.operation === 'db.label' ? { ...stage, gate } : stage));
    const first = await outcome(await start(queue, { ...plan, stages }));
    expect(first.state).toBe('done');
    machines.of('vm1').write('srv/health', 'ill');
    machines.of('vm2').remove('srv/zone');
    const handle = await start(queue, { ...plan, stages }, { revision: 2, facts: first.facts });
    await until(async () => (await handle.query(progressQuery)).stuck === true);
    const { problems } = await handle.query(progressQuery);
    expect(problems).toMatchObject([{ host: 'vm1', type: 'GateClosed' }]);
    expect(times('vm2', 'db.label')).toBe(1);
    await handle.cancel();
    expect((await outcome(handle)).state).toBe('cancelled');
  });
});
