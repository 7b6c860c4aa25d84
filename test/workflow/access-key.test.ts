import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import * as z from 'zod';
import { accompany } from '../../src/client/accompany.ts';
import { apply, connect, type Farweave } from '../../src/client/index.ts';
import { spared } from '../../src/client/spared.ts';
import { type Aim, allot, compilePlan } from '../../src/plan/compile.ts';
import { digestOf } from '../../src/plan/digest.ts';
import type { Role } from '../../src/roles/role.ts';
import { formerKeys, key, keyStages, login } from '../../src/roles/system/key.ts';
import { keep } from '../../src/spec/kept.ts';
import { parseCluster } from '../../src/spec/parse.ts';
import type { Connect } from '../../src/ssh/host.ts';
import { farweave as commandLine, type Said } from '../unit/cli-io.ts';
import { settled, status } from './applying.ts';
import { connected, measure, vault, withWorker } from './drive.ts';
import { net } from './living.ts';
import { Machines } from './machines.ts';
import { toys } from './roles.ts';

const PASSWORD = 'canary-of-the-first-login';

/** As the system role has them: of the rest of it, nothing is to run on this machine. */
const system = {
  name: 'system',
  config: z.object({}),
  always: true,
  operations: [key, login, formerKeys],
  stages: (_, { cluster, on }) => keyStages(cluster, on),
} as Role<object> as Role;
const roles = [system, net as Role];

const specOf = (
  name: string,
  hosts: readonly string[],
  { more = '', fra = '{}' }: Options = {},
) => `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: ${name} }
sites: { ams: {}, fra: ${fra} }
access: { password: { env: NODE_PASSWORD }, rotate: true }
hosts:
${hosts.map((host, n) => `  - { name: ${host}, site: ${n % 2 === 0 ? 'ams' : 'fra'}, address: 192.0.2.${10 + n} }`).join('\n')}
roles: {}
${more}`;

connected();
let machines: Machines;
let cwd: string;
beforeEach(() => {
  machines = new Machines();
  cwd = mkdtempSync(join(tmpdir(), 'farweave-access-'));
});
afterEach(() => {
  machines.remove();
  rmSync(cwd, { recursive: true });
});

interface Options {
  readonly aim?: Aim;
  /** Further lines of the cluster file, and what it says of the site fra. */
  readonly more?: string;
  readonly fra?: string;
}

interface Here {
  /** Applies a cluster file of these hosts as the command does, and gives what is remembered then. */
  readonly roll: (hosts: readonly string[], secrets?: Record<string, string>, options?: Options) => Promise<Told>;
  /** The command line, in a folder that has the cluster file of these hosts. */
  readonly call: (hosts: readonly string[], ...argv: string[]) => Promise<Said>;
}
type Told = Awaited<ReturnType<typeof status>> & { readonly exitCode: number; readonly said: string };

async function withKeys(cluster: string, act: (here: Here) => Promise<void>): Promise<void> {
  await withWorker(
    machines,
    async (taskQueue) => {
      const address = inject('address');
      const env = { TEMPORAL_ADDRESS: address, FARWEAVE_TASK_QUEUE: taskQueue, FARWEAVE_RECIPIENT: vault.recipient };
      const farweave = await connect({ address, env });
      try {
        await act({
          roll: (hosts, secrets = {}, { aim = 'apply', ...more } = {}) =>
            roll(farweave, specOf(cluster, hosts, more), secrets, aim),
          call: (hosts, ...argv) => {
            writeFileSync(join(cwd, 'cluster.yaml'), specOf(cluster, hosts));
            return commandLine(argv, { cwd, env });
          },
        });
      } finally {
        await farweave.close();
      }
    },
    undefined,
    { roles: [...toys, ...roles] },
  );
}

async function roll(farweave: Farweave, text: string, secrets: Record<string, string>, aim: Aim): Promise<Told> {
  const { cluster } = parseCluster(text, { file: 'cluster.yaml', roles });
  const state = await status(cluster.name).catch(() => undefined);
  const knowledge = allot(cluster, state?.knowledge ?? { indexes: {} });
  const plan = compilePlan(cluster, knowledge, { roles, purpose: aim });
  const made = { plan, digest: digestOf(plan), basis: state?.version ?? 0, knowledge, wanted: keep(cluster) };
  const begun = await apply(farweave, { ...made, spared: spared(plan, cluster.secrets, state) }, secrets);
  let said = '';
  const stream = { write: (text: string) => void (said += text), live: false, size: () => ({ columns: 80, rows: 24 }) };
  const io = {
    out: stream,
    err: stream,
    input: async () => '',
    env: {},
    cwd,
    canAsk: false,
    color: false,
    unicode: true,
  };
  const manner = { io: { ...io, onInterrupt: () => () => {} }, json: false, events: false, self: 'farweave' };
  const exitCode = await accompany(farweave, begun, manner);
  return { ...(await settled(cluster.name)), exitCode, said };
}

/** Who is logged in stays so, as with the pool of a worker, whatever becomes of the key meanwhile. */
class Pooled extends Machines {
  readonly #open = new Map<string, Awaited<ReturnType<Connect>>>();

  override readonly connect: Connect = async (target) => {
    const by = JSON.stringify(target);
    const host = this.#open.get(by) ?? this.of(target.name).connect(target);
    this.#open.set(by, host);
    return host;
  };
}

/** A machine that lets root in by a password. */
function machine(name: string, password = PASSWORD): void {
  machines.of(name).write('password', password);
}
const keysOf = (name: string) =>
  (machines.of(name).read('keys') ?? '').split('\n').flatMap((line) => line.split(' ').slice(2));
const given = { 'access.password': PASSWORD };

it('needs the password once: for the second apply nobody has it, and the cluster has forgotten it', async () => {
  for (const name of ['vm0', 'vm1']) machine(name);
  await withKeys('once', async ({ roll, call }) => {
    await expect(roll(['vm0', 'vm1'])).rejects.toThrow('No value was given for the secret access.password');
    const first = await roll(['vm0', 'vm1'], given);
    expect(first).toMatchObject({
      exitCode: 0,
      facts: { 'access.key': { vm0: 'access.key', vm1: 'access.key' }, 'access.sudo': { vm0: '', vm1: '' } },
    });
    expect([keysOf('vm0'), keysOf('vm1')]).toEqual([['farweave:once'], ['farweave:once']]);
    expect(first.sealed['access.password']).not.toMatch(/^absent:/);

    // Whoever now comes with a password is not let in at all.
    for (const name of ['vm0', 'vm1']) machine(name, 'nobody knows');
    const second = await roll(['vm0', 'vm1']);
    expect(second.last).toMatchObject({ state: 'done', changed: 0 });
    expect(second.sealed['access.password']).toBe('absent:the environment variable NODE_PASSWORD');
    expect((await call(['vm0', 'vm1'], 'secrets', 'list')).out).not.toContain('password');
    expect((await call(['vm0', 'vm1'], 'access', 'list')).out).toBe('vm0  access.key\nvm1  access.key\n');
    expect((await measure('once', 1)).histories).not.toContain('PRIVATE KEY');
  });
});

it('goes through a bastion with the login of that one, which nobody is spared, and to the host behind it by the key', async () => {
  machine('gate', 'canary-of-the-gate');
  for (const name of ['vm0', 'vm1']) machine(name);
  const gate = 'bastions: { gate: { address: 192.0.2.99, password: { env: GATE_PASSWORD } } }';
  const spec = { more: gate, fra: '{ via: gate }' };
  const login = { 'bastion.gate.password': 'canary-of-the-gate' };
  await withKeys('gated-key', async ({ roll }) => {
    expect(await roll(['vm0', 'vm1'], { ...given, ...login }, spec)).toMatchObject({ exitCode: 0 });
    for (const name of ['vm0', 'vm1']) machine(name, 'nobody knows');
    await expect(roll(['vm0', 'vm1'], {}, spec)).rejects.toThrow('No value was given for the secret bastion.gate');
    const second = await roll(['vm0', 'vm1'], login, spec);
    expect(second.last).toMatchObject({ state: 'done', changed: 0, parked: [] });
    expect(second.sealed['access.password']).toMatch(/^absent:/);

    // What is wrong with the bastion says nothing of the key that the host has.
    const told = await roll(['vm0', 'vm1'], { 'bastion.gate.password': 'wrong' }, spec);
    expect(told.last).toMatchObject({ state: 'failed' });
    expect(told.said).toContain('vm1: through gate (192.0.2.99:22): permission denied');
    expect(told.facts['access.key']).toEqual({ vm0: 'access.key', vm1: 'access.key' });
  });
});

it('asks for the password again for a host that is added later, says for which, and forgets it once more', async () => {
  for (const name of ['vm0', 'vm1', 'vm2']) machine(name);
  await withKeys('grown', async ({ roll, call }) => {
    await roll(['vm0', 'vm1'], given);
    await roll(['vm0', 'vm1']);
    const asked = await call(['vm0', 'vm1', 'vm2'], 'apply', '--yes');
    expect(asked).toMatchObject({ exitCode: 2 });
    expect(asked.err).toContain('the environment variable NODE_PASSWORD is not set');
    expect(asked.err).toContain('(needed by vm2)');
    expect(await roll(['vm0', 'vm1', 'vm2'], given)).toMatchObject({ exitCode: 0 });
    expect(keysOf('vm2')).toEqual(['farweave:grown']);
    const after = await roll(['vm0', 'vm1', 'vm2']);
    expect(after.last).toMatchObject({ state: 'done', changed: 0 });
  });
});

it('says which host was rebuilt and which variable it needs, and takes it along once it has that', async () => {
  for (const name of ['vm0', 'vm1', 'vm2', 'vm3']) machine(name);
  const hosts = ['vm0', 'vm1', 'vm2', 'vm3'];
  const more = 'rollout: { budget: 1 }';
  await withKeys('rebuilt', async ({ roll, call }) => {
    await roll(hosts, given, { more });
    await roll(hosts, {}, { more });
    machines.of('vm1').remove('keys');
    const told = await roll(hosts, {}, { more });
    expect(told.last).toMatchObject({ state: 'failed', changed: 0 });
    expect(told.said).toContain('vm1 does not take the key of the cluster, and access.password was not given');
    expect(told.said).toContain('It comes from the environment variable NODE_PASSWORD: apply again with it.');
    expect(told.facts['access.key']).toMatchObject({ vm0: 'access.key', vm1: '' });
    const asked = await call(hosts, 'apply', '--yes');
    expect(asked).toMatchObject({ exitCode: 2 });
    expect(asked.err).toContain('export NODE_PASSWORD=… (needed by vm1)');
    expect(await roll(hosts, given, { more })).toMatchObject({ exitCode: 0, last: { changed: 1 } });
    expect(keysOf('vm1')).toEqual(['farweave:rebuilt']);
  });
});

it('takes a machine whose own key had to be accepted for one that has not got the key of the cluster', async () => {
  const hosts = ['vm0', 'vm1', 'vm2', 'vm3'];
  for (const name of hosts) machine(name);
  await withKeys('accepted', async ({ roll, call }) => {
    await roll(hosts, given, { more: 'rollout: { budget: 1 }' });
    await roll(hosts, {}, { more: 'rollout: { budget: 1 }' });
    machines.of('vm1').write('hostkey', 'SHA256:another');
    machines.of('vm1').remove('keys');
    const told = await roll(hosts, {}, { more: 'rollout: { budget: 1 }' });
    expect(told.parked).toMatchObject({ vm1: { type: 'HostKeyChanged' } });
    const accepted = await call(hosts, 'hostkeys', 'accept', 'vm1', '--fingerprint', 'SHA256:another');
    expect(accepted.out).toContain('access.password was not given');
    expect((await settled('accepted')).facts['access.key']).toMatchObject({ vm0: 'access.key', vm1: '' });
  });
});

it('rotates: every host has the new key and no other, and who is parked keeps the old one until it comes back', async () => {
  const hosts = ['vm0', 'vm1', 'vm2', 'vm3'];
  const more = 'rollout: { budget: 1 }';
  for (const name of hosts) machine(name);
  await withKeys('rotated', async ({ roll, call }) => {
    await roll(hosts, given, { more });
    for (const name of hosts) machine(name, 'nobody knows');
    machines.of('vm3').write('hostkey', 'SHA256:another');
    const rotated = await call(hosts, 'access', 'rotate', '--yes');
    expect(rotated.out).toMatch(/^done: 6 changed/m);
    expect(hosts.map(keysOf)).toEqual([
      ['farweave:rotated:2'],
      ['farweave:rotated:2'],
      ['farweave:rotated:2'],
      ['farweave:rotated'],
    ]);
    const state = await settled('rotated');
    expect(state.knowledge.key).toBe(2);
    expect(Object.keys(state.sealed)).toEqual(expect.arrayContaining(['access.key', 'access.key-2']));
    expect((await call(hosts, 'access', 'list')).out).toBe(
      'vm0  access.key-2\nvm1  access.key-2\nvm2  access.key-2\nvm3  access.key    to be rotated\n',
    );

    machines.of('vm3').remove('hostkey');
    const back = await roll(hosts, {}, { more });
    expect(back).toMatchObject({ exitCode: 0, facts: { 'access.key': { vm3: 'access.key-2' } } });
    expect(keysOf('vm3')).toEqual(['farweave:rotated:2']);
    expect(Object.keys(back.sealed)).not.toContain('access.key');
  });
});

it('knows after a rollback that the key is gone from the host', async () => {
  machine('vm0');
  machines.of('vm0').write('srv/fail/pkg.install', '1');
  await withKeys('taken-back', async ({ roll }) => {
    const told = await roll(['vm0'], given, { more: 'rollout: { onFailure: rollback }' });
    expect(told).toMatchObject({ last: { state: 'undone' }, facts: { 'access.key': { vm0: '' } } });
    expect(keysOf('vm0')).toEqual([]);
    machines.of('vm0').remove('srv/fail');
    expect(await roll(['vm0'], given)).toMatchObject({ exitCode: 0 });
  });
});

it('leaves no key behind where the cluster is destroyed, and needs no password for that', async () => {
  machines = new Pooled(machines.folder);
  for (const name of ['vm0', 'vm1']) machine(name);
  await withKeys('gone', async ({ roll }) => {
    await roll(['vm0', 'vm1'], given);
    for (const name of ['vm0', 'vm1']) machine(name, 'nobody knows');
    const told = await roll(['vm0', 'vm1'], {}, { aim: 'destroy' });
    expect(told).toMatchObject({ exitCode: 0, destroyed: {} });
    expect([keysOf('vm0'), keysOf('vm1')]).toEqual([[], []]);
    expect(Object.keys(told.sealed)).not.toContain('access.key');
  });
});
