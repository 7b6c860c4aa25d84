import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { kept } from '../../src/spec/kept.ts';
import { clusterId, type HostControls, hostSignal, hostUpdate } from '../../src/workflows/contract.ts';
import { status } from './applying.ts';
import { client, connected, measure, until } from './drive.ts';
import { applySpec, rested, serving, specOf } from './living.ts';
import { Machines } from './machines.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

const KEY = `SHA256:${'k'.repeat(43)}`;
const vm3 = { name: 'vm3', site: 'fra', address: '192.0.2.13' };

const ask = <Name extends keyof HostControls>(cluster: string, name: Name, asked: HostControls[Name]) =>
  client.workflow.getHandle(clusterId(cluster)).executeUpdate(hostUpdate(name), { args: [asked] });
const tell = <Name extends keyof HostControls>(cluster: string, name: Name, asked: HostControls[Name]) =>
  client.workflow.getHandle(clusterId(cluster)).signal(hostSignal(name), asked);

/** Types of the steps that a rollout carried out, with how often. */
const stepsOf = async (cluster: string, revision: number) => (await measure(cluster, revision)).types;

it('rolls out what a host that is added needs, and touches the others only where they must know of it', async () => {
  await serving(
    machines,
    async (cluster) => {
      const { id } = await ask(cluster, 'addHost', { host: vm3, by: 'ada' });
      const state = await rested(cluster);
      expect(state.requests).toMatchObject([{ id, by: 'ada', state: 'done', revision: 2 }]);
      expect(state.wanted?.hosts).toEqual(['vm0', 'vm1', 'vm2', 'vm3']);
      expect(kept(state.wanted!.spec)).toContain('vm3');
      expect(machines.of('vm3').log).toEqual(['pkg.install', 'net.createKey', 'net.join', 'db.start']);
      for (const host of ['vm0', 'vm1', 'vm2'])
        expect(machines.of(host).log).toEqual(['pkg.install', 'net.createKey', 'net.join', 'db.start', 'net.join']);
      expect(await stepsOf(cluster, 2)).toMatchObject({ 'host.survey': 4 });
    },
    'host-add',
    ['vm0', 'vm1', 'vm2'],
  );
});

it('takes hosts out, and goes on without one that is dead', async () => {
  await serving(
    machines,
    async (cluster) => {
      machines.of('vm0').write('unreachable');
      await ask(cluster, 'removeHost', { hosts: ['vm0'], by: 'ada', reason: 'burnt down' });
      const state = await rested(cluster);
      expect(state.requests).toMatchObject([{ state: 'done', revision: 2, reason: 'burnt down' }]);
      expect(state).toMatchObject({ last: { state: 'done', parked: [], abandoned: ['vm0'] }, parked: {} });
      expect(state.wanted?.hosts).toEqual(['vm1', 'vm2']);
      expect(state.former).toBeUndefined();
      expect(Object.keys(state.facts['host.key']!).toSorted()).toEqual(['vm1', 'vm2']);
      expect(machines.of('vm1').log.at(-1)).toBe('net.configure');
    },
    'host-remove',
    ['vm0', 'vm1', 'vm2'],
  );
});

it('gives the name and not the place of a dead host to the machine that takes its place', async () => {
  await serving(
    machines,
    async (cluster) => {
      machines.of('vm1').write('hostkey', 'another machine');
      machines.of('vm1-old').write('unreachable');
      const by = { name: 'vm1', site: 'fra', address: '192.0.2.99' };
      await ask(cluster, 'replaceHost', { host: 'vm1', with: by, by: 'ada' });
      const state = await rested(cluster);
      expect(state.requests).toMatchObject([{ state: 'done' }]);
      expect(state.last).toMatchObject({ state: 'done', abandoned: ['vm1-old'] });
      expect(state.knowledge.indexes).toMatchObject({ vm0: 0, 'vm1-old': 1, vm1: 3 });
      expect(state.wanted?.hosts.toSorted()).toEqual(['vm0', 'vm1', 'vm2']);
      expect(Object.keys(state.facts['host.key']!).toSorted()).toEqual(['vm0', 'vm1', 'vm2']);
    },
    'host-replace',
    ['vm0', 'vm1', 'vm2'],
  );
});

it('leaves the cluster as it was where a host that is to come does not answer', async () => {
  await serving(
    machines,
    async (cluster, queue) => {
      machines.of('vm3').write('unreachable');
      await ask(cluster, 'addHost', { host: vm3, by: 'ada' });
      const state = await rested(cluster);
      expect(state.requests).toMatchObject([
        { state: 'failed', said: expect.stringContaining('stays as it was') as string },
      ]);
      expect(state).toMatchObject({ wanted: { hosts: ['vm0', 'vm1'] }, last: { revision: 1, state: 'done' } });
      expect(state.parked).toEqual({});
      machines.of('vm3').remove('unreachable');
      await ask(cluster, 'addHost', { host: vm3, by: 'ada' });
      expect((await rested(cluster)).wanted?.hosts).toEqual(['vm0', 'vm1', 'vm3']);
      // A file from before would let it go without a word.
      const old = await applySpec(queue, specOf(cluster, ['vm0', 'vm1'])).catch((error: unknown) => error);
      expect((old as WorkflowUpdateFailedError).cause).toMatchObject({ type: 'HostsMissing' });
    },
    'host-dead',
    ['vm0', 'vm1'],
  );
});

it('keeps what is asked for while a rollout runs, in order, and adds hosts together', async () => {
  await serving(
    machines,
    async (cluster) => {
      machines.of('vm3').write('srv/hold/db.start');
      await ask(cluster, 'addHost', { host: vm3, by: 'ada' });
      await until(async () => (await status(cluster)).rollout?.revision === 2);
      const others = ['vm4', 'vm5'].map((name, n) => ({ name, site: 'ams', address: `192.0.2.${20 + n}` }));
      for (const host of others) await ask(cluster, 'addHost', { host, by: 'bob' });
      const again = await ask(cluster, 'addHost', { host: others[0]!, by: 'bob' });
      await ask(cluster, 'removeHost', { hosts: ['vm0'], by: 'bob' });
      expect((await status(cluster)).requests).toMatchObject([
        { id: 'h1', state: 'running' },
        { id: 'h2', state: 'waiting' },
        { id: 'h3', state: 'waiting' },
        { id: 'h4', state: 'waiting' },
      ]);
      expect(again.id).toBe('h2');
      machines.of('vm3').remove('srv/hold');
      const state = await rested(cluster);
      expect(state.requests?.map(({ state: how, revision }) => [how, revision])).toEqual([
        ['done', 2],
        ['done', 3],
        ['done', 3],
        ['done', 4],
      ]);
      expect(state.wanted?.hosts).toEqual(['vm1', 'vm3', 'vm4', 'vm5']);
    },
    'host-queue',
    ['vm0', 'vm1'],
  );
});

it('sends nothing to a host that came by signal until somebody says that its key is right', async () => {
  await serving(
    machines,
    async (cluster) => {
      machines.of('vm3').write('hostkey', KEY);
      await tell(cluster, 'addHost', { host: vm3, by: 'ada' });
      await until(async () => (await status(cluster)).requests?.[0]?.state === 'asking');
      const { requests } = await status(cluster);
      expect(requests?.[0]?.shownKey).toBeTruthy();
      expect(machines.of('vm3').log).toEqual([]);
      expect((await status(cluster)).revision).toBe(1);
      await tell(cluster, 'approveHost', { id: 'h1', by: 'bob' });
      await until(async () => (await status(cluster)).requests?.[0]?.state === 'done');
      expect(kept((await status(cluster)).wanted!.spec)).toContain(requests![0]!.shownKey!);
    },
    'host-signal',
    ['vm0', 'vm1'],
  );
});

it('asks for the key of a host that came by signal through the bastion of its site', async () => {
  const gate = 'bastions: { gate: { address: 192.0.2.99, agent: true } }';
  await serving(
    machines,
    async (cluster, queue) => {
      const text = specOf(cluster, ['vm0', 'vm1'], gate).replace('fra: {}', 'fra: { via: gate }');
      await applySpec(queue, text);
      expect((await rested(cluster)).facts['bastion.key']).toEqual({ gate: 'SHA256:gate' });
      await tell(cluster, 'addHost', { host: vm3, by: 'ada' });
      await until(async () => (await status(cluster)).requests?.[0]?.state === 'asking');
      expect((await status(cluster)).requests).toMatchObject([{ shownKey: 'SHA256:vm3' }]);
    },
    'host-signal-gated',
    ['vm0', 'vm1'],
  );
});

it('asks for the key of a machine that is to take the place of a host whose name is known', async () => {
  await serving(
    machines,
    async (cluster) => {
      machines.of('vm1').write('hostkey', KEY);
      const by = { name: 'vm1', site: 'fra', address: '192.0.2.99' };
      await tell(cluster, 'replaceHost', { host: 'vm1', with: by, by: 'ada' });
      await until(async () => (await status(cluster)).requests?.[0]?.state === 'asking');
      expect((await status(cluster)).requests).toMatchObject([{ shownKey: KEY }]);
    },
    'host-signal-replace',
    ['vm0', 'vm1'],
  );
});

it('takes a host that came by signal with its key at once, and refuses by an event what a signal must not bring', async () => {
  await serving(
    machines,
    async (cluster) => {
      const bad = [
        { host: { ...vm3, password: { env: 'HOME' } } },
        { host: { ...vm3, password: 'hunter2' } },
        { host: { ...vm3, address: { toString: 1 } }, reason: { toString: 1 }, by: ['ada'] },
        { host: { ...vm3, site: 'mars' } },
        { hosts: 'vm3' },
        { host: { ...vm3, name: 'vm0' } },
        null,
      ];
      for (const asked of bad) await tell(cluster, 'addHost', asked as never);
      const refusals = async () =>
        (await status(cluster)).events.filter(({ what }) => what.startsWith('addHost was refused'));
      await until(async () => (await refusals()).length === bad.length);
      const said = (await refusals()).map(({ what }) => what).join('\n');
      for (const part of ['allowlist', 'mars', 'wants a message such as', 'vm0 is there already'])
        expect(said).toContain(part);
      expect((await status(cluster)).requests ?? []).toEqual([]);
    },
    'host-signals',
    ['vm0', 'vm1'],
  );
});

it('goes on with hosts that left half-way, or takes them in again, and ends no request in a circle', async () => {
  await serving(
    machines,
    async (cluster, queue) => {
      machines.of('vm0').write('srv/fail/net.configure', '1');
      await ask(cluster, 'removeHost', { hosts: ['vm2'], by: 'ada' });
      const half = await rested(cluster);
      expect(half.requests).toMatchObject([{ state: 'failed' }]);
      // vm1 has forgotten it: what was changed stays wanted.
      expect(half).toMatchObject({ wanted: { hosts: ['vm0', 'vm1'] }, former: { hosts: ['vm0', 'vm1', 'vm2'] } });
      machines.of('vm0').remove('srv/fail');
      const again = { name: 'vm2', site: 'ams', address: '192.0.2.12' };
      await ask(cluster, 'addHost', { host: again, by: 'ada' });
      const back = await rested(cluster);
      expect(back.requests?.at(-1)).toMatchObject({ state: 'done' });
      expect(back.wanted?.hosts).toEqual(['vm0', 'vm1', 'vm2']);
      expect(back.former).toBeUndefined();
      await applySpec(queue, specOf(cluster, ['vm0', 'vm1', 'vm2']));
      expect((await rested(cluster)).last).toMatchObject({ state: 'done' });
    },
    'host-half-way',
    ['vm0', 'vm1', 'vm2'],
    'rollout: { onFailure: continue, budget: 0 }\n',
  );
});

it('tells an update why it is refused', async () => {
  await serving(
    machines,
    async (cluster) => {
      const why = async (asked: Promise<unknown>) => {
        const error: unknown = await asked.catch((e: unknown) => e);
        if (!(error instanceof WorkflowUpdateFailedError) || !(error.cause instanceof ApplicationFailure)) throw error;
        return error.cause.message;
      };
      expect(await why(ask(cluster, 'addHost', { host: { ...vm3, name: 'vm1' } }))).toContain('vm1 is there already');
      expect(await why(ask(cluster, 'removeHost', { hosts: ['vm0', 'vm1'] }))).toContain('farweave destroy');
      expect(await why(ask(cluster, 'removeHost', { hosts: ['vm9'] }))).toContain('did you mean "vm0"?');
      expect(await why(ask(cluster, 'addHost', { host: { ...vm3, address: '192.0.2.10' } }))).toContain(
        'is taken already',
      );
      expect(await why(ask(cluster, 'withdrawHost', { id: 'h9' }))).toContain('knows no request h9');
    },
    'host-refused',
    ['vm0', 'vm1'],
  );
});
