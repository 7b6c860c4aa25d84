import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import * as z from 'zod';
import { apply, connect } from '../../src/client/index.ts';
import { allot, compilePlan } from '../../src/plan/compile.ts';
import { digestOf } from '../../src/plan/digest.ts';
import type { Role } from '../../src/roles/role.ts';
import { hostKey, nextHostKey, shownHostKey } from '../../src/roles/system/host-key.ts';
import { keep } from '../../src/spec/kept.ts';
import { parseCluster } from '../../src/spec/parse.ts';
import { makeKey, publicHalf } from '../../src/ssh/access-key.ts';
import { LinkLost } from '../../src/ssh/errors.ts';
import type { Connect } from '../../src/ssh/host.ts';
import { farweave as commandLine, type Said } from '../unit/cli-io.ts';
import { settled } from './applying.ts';
import { connected, vault, withWorker } from './drive.ts';
import { net } from './living.ts';
import { HOST_KEY_FILE, Machines } from './machines.ts';
import { toys } from './roles.ts';

/** As the system role has them: of the rest of it, nothing is to run on this machine. */
const system = {
  name: 'system',
  config: z.object({}),
  always: true,
  operations: [nextHostKey, hostKey, shownHostKey],
  stages: () => [],
} as unknown as Role;
const roles = [system, net as Role];

const specOf = (name: string, { more = '', pin = '' } = {}) => `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: ${name} }
sites: { ams: {}, fra: {} }
access: { password: { env: NODE_PASSWORD } }
hosts:
  - { name: vm0, site: ams, address: 192.0.2.10${pin} }
  - { name: vm1, site: fra, address: 192.0.2.11 }
roles: {}
${more}`;

connected();
let machines: Machines;
let cwd: string;
beforeEach(() => {
  use(new Machines());
  cwd = mkdtempSync(join(tmpdir(), 'farweave-host-keys-'));
});
afterEach(() => {
  machines.remove();
  rmSync(cwd, { recursive: true });
});

/** Each machine shows a key of its own from a file. */
function use(some: Machines): void {
  machines = some;
  for (const name of ['vm0', 'vm1']) {
    const key = makeKey();
    some.of(name).write(HOST_KEY_FILE, key);
    chmodSync(join(some.folder, name, HOST_KEY_FILE), 0o600);
    some.of(name).write(`${HOST_KEY_FILE}.pub`, `${publicHalf(key)} root@${name}\n`);
    some.of(name).write('pid', '1');
  }
}

const shown = (name: string) => machines.of(name).connect({ name, address: '', port: 22, user: 'root' }).hostKey;
const bothShown = () => ({ vm0: shown('vm0'), vm1: shown('vm1') });

/** After a first apply of the cluster file; `call` is the command line in its folder. */
async function applied(
  cluster: string,
  spec: { more?: string; pin?: string },
  act: (call: (...argv: string[]) => Promise<Said>) => Promise<void>,
): Promise<void> {
  await withWorker(
    machines,
    async (taskQueue) => {
      const address = inject('address');
      const env = {
        TEMPORAL_ADDRESS: address,
        FARWEAVE_TASK_QUEUE: taskQueue,
        FARWEAVE_RECIPIENT: vault.recipient,
        NODE_PASSWORD: 'of no account',
      };
      const farweave = await connect({ address, env });
      try {
        const { cluster: parsed } = parseCluster(specOf(cluster, spec), { file: 'cluster.yaml', roles });
        const knowledge = allot(parsed, { indexes: {} });
        const plan = compilePlan(parsed, knowledge, { roles });
        const made = { plan, digest: digestOf(plan), basis: 0, knowledge, wanted: keep(parsed) };
        await apply(farweave, made, { 'access.password': env.NODE_PASSWORD });
        expect((await settled(cluster)).last).toMatchObject({ state: 'done' });
        writeFileSync(join(cwd, 'cluster.yaml'), specOf(cluster, spec));
        await act((...argv) => commandLine(argv, { cwd, env }));
      } finally {
        await farweave.close();
      }
    },
    undefined,
    { roles: [...toys, ...roles] },
  );
}

it('gives hosts another key, and they are known by that one and by no other', async () => {
  const before = bothShown();
  await applied('host-keys', {}, async (call) => {
    expect((await settled('host-keys')).facts['host.key']).toEqual(before);
    const told = await call('hostkeys', 'rotate', '--yes');
    expect(told.out).toMatch(/^done: 4 changed/m);
    const after = bothShown();
    expect([after.vm0, after.vm1]).not.toContain(before.vm0);
    expect([after.vm0, after.vm1]).not.toContain(before.vm1);
    const state = await settled('host-keys');
    expect(state).toMatchObject({ last: { state: 'done', parked: [] }, facts: { 'host.key': after } });
    expect(state.facts).not.toHaveProperty('host.key.other');
    // Nothing of the former key is left on a host.
    expect(machines.of('vm0').list('etc/ssh')).toEqual(['ssh_host_ed25519_key', 'ssh_host_ed25519_key.pub']);
    expect(machines.of('vm0').list('farweave/origins').join()).not.toContain('system.');
    expect(machines.of('vm0').list('farweave/receipts')).toEqual([]);

    expect((await call('hostkeys', 'rotate', 'vm1', '--yes')).out).toMatch(/^done: 2 changed/m);
    expect(shown('vm0')).toBe(after.vm0);
    expect((await settled('host-keys')).facts['host.key']).toEqual(bothShown());
  });
});

/** Breaks the connection of whoever has just had the key put in place, as the loss of a worker would. */
class Breaking extends Machines {
  readonly broken = new Set<string>();

  override readonly connect: Connect = async (target) => {
    const host = this.of(target.name).connect(target);
    return {
      ...host,
      run: async (job, watch) => {
        const output = await host.run(job, watch);
        if (!job.script?.text.includes('reload()') || this.broken.has(target.name)) return output;
        this.broken.add(target.name);
        throw new LinkLost(target, 'the connection broke');
      },
    };
  };
}

it('finds a host again that shows the next key before anybody has told so', async () => {
  use(new Breaking(machines.folder));
  const before = bothShown();
  await applied('host-keys-lost', {}, async (call) => {
    const told = await call('hostkeys', 'rotate', '--yes');
    expect(told.out).toMatch(/^done: 4 changed/m);
    expect((machines as Breaking).broken.size).toBe(2);
    expect(shown('vm0')).not.toBe(before.vm0);
    expect(await settled('host-keys-lost')).toMatchObject({ facts: { 'host.key': bothShown() }, last: { parked: [] } });
  });
});

it('puts the former keys back with a rollback, and knows hosts by them', async () => {
  const before = bothShown();
  // A host that never shows its next key to whoever comes anew.
  machines.of('vm1').write('hostkey', before.vm1);
  await applied('host-keys-back', { more: 'rollout: { onFailure: rollback }' }, async (call) => {
    const told = await call('hostkeys', 'rotate', '--yes');
    expect(told.out).toContain('not the next one, shown to whoever comes anew');
    machines.of('vm1').remove('hostkey');
    const state = await settled('host-keys-back');
    expect(state).toMatchObject({ last: { state: 'undone' }, facts: { 'host.key': before } });
    expect(bothShown()).toEqual(before);
    expect(state.facts).not.toHaveProperty('host.key.other');
    expect(machines.of('vm0').list('etc/ssh')).toEqual(['ssh_host_ed25519_key', 'ssh_host_ed25519_key.pub']);
  });
}, 120_000);

it('touches nothing where the cluster file holds a host to its key, or a host is not there', async () => {
  const before = bothShown();
  await applied('host-keys-pinned', { pin: `, hostKey: ${before.vm0}` }, async (call) => {
    const told = await call('hostkeys', 'rotate', '--yes');
    expect(told.exitCode).toBe(2);
    expect(told.err).toContain('holds vm0 to the key that is to go');
    expect(await call('hostkeys', 'rotate', 'vm11', '--yes')).toMatchObject({
      exitCode: 2,
      err: expect.stringContaining('did you mean "vm1"?'),
    });
    expect(bothShown()).toEqual(before);
  });
});
