import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { openVault, type Vault } from '../../src/activities/vault.ts';
import { connect, type Draft, look } from '../../src/client/index.ts';
import { digestOf } from '../../src/plan/digest.ts';
import { clusterId } from '../../src/workflows/contract.ts';
import { farweave } from '../unit/cli-io.ts';
import { CANARIES, client, connected, elsewhere, until, vault, vaultFolder, withWorker } from './drive.ts';
import { ELSEWHERE } from './elsewhere.ts';
import { apply, type Laptop, rolledOut, status, withTwo } from './laptops.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
let cwd: string;
let otherFolder: string;
let otherVault: Vault;
beforeEach(async () => {
  machines = new Machines();
  cwd = mkdtempSync(join(tmpdir(), 'farweave-moving-'));
  otherFolder = mkdtempSync(join(tmpdir(), 'farweave-other-'));
  otherVault = await openVault(otherFolder);
});
afterEach(() => {
  machines.remove();
  for (const folder of [cwd, otherFolder]) rmSync(folder, { recursive: true });
});

const PASSPHRASE = 'correct horse battery';
const hosts = hostsOf(2, 1);

/** A command as it is called on one of the laptops. */
const calling =
  (laptop: Laptop) =>
  (...argv: readonly string[]) => {
    const isOther = laptop.client === elsewhere;
    const place = ['--address', inject('address'), '--namespace', isOther ? ELSEWHERE : 'default'];
    const state = ['--state', isOther ? otherFolder : vaultFolder];
    const env = {
      FARWEAVE_TASK_QUEUE: laptop.queue,
      FARWEAVE_PASSPHRASE: PASSPHRASE,
      FARWEAVE_PASSWORD: CANARIES['vm.password'],
    };
    return farweave([...place, ...state, ...argv], { cwd, env });
  };

/** A cluster file with the hosts that the toy plans have. */
function writeSpec(name: string): void {
  const entries = hosts.map((host) => `  - { name: ${host.name}, site: ${host.site}, address: ${host.address} }\n`);
  const text = `apiVersion: farweave.dev/v1
kind: Cluster
metadata:
  name: ${name}
sites:
  site1: {}
  site2: {}
access:
  user: vagrant
  password: { env: FARWEAVE_PASSWORD }
hosts:
${entries.join('')}roles:
  docker: {}
`;
  writeFileSync(join(cwd, 'cluster.yaml'), text);
}

it('moves a cluster in a file that only a passphrase opens, and brings it back', async () => {
  writeSpec('carried');
  await withTwo(machines, otherVault, async (ada, bob) => {
    const [onAda, onBob] = [calling(ada), calling(bob)];
    const plan = planOf('carried', hosts);
    await rolledOut(ada, plan);

    const exported = await onAda('cluster', 'export', '--json');
    expect(exported).toMatchObject({ exitCode: 0, err: '' });
    const file = join(cwd, 'carried.farweave.age');
    expect(JSON.parse(exported.out)).toEqual({ cluster: 'carried', revision: 1, file, moved: true });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const identity = readFileSync(join(vaultFolder, 'identity'), 'utf8').trim();
    for (const secret of [identity, 'vm1', CANARIES['vm.password']])
      expect(readFileSync(file, 'latin1')).not.toContain(secret);
    await expect(apply(ada, plan, { basis: 1 })).rejects.toMatchObject({ cause: { type: 'Moved' } });
    expect((await onAda('status')).out).toMatch(
      /^Moved +on \d{4}-\d\d-\d\d by \S+@\S+: it is rolled out from elsewhere/m,
    );
    expect(await onAda('cluster', 'export', '--force')).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining('it lives elsewhere now') as string,
    });

    const adopted = await onBob('cluster', 'adopt', 'carried.farweave.age', '--json');
    expect(adopted).toMatchObject({ exitCode: 0 });
    const { owner } = await status(ada, 'carried');
    expect(JSON.parse(adopted.out)).toEqual({ cluster: 'carried', revision: 1, owner, lost: [] });
    expect(await rolledOut(bob, plan, { basis: 1 })).toMatchObject({ state: 'done', changed: 0 });
    expect(await onBob('cluster', 'adopt', file)).toMatchObject({
      exitCode: 1,
      err: expect.stringMatching(/carried is known here, at revision 2\n--force puts/) as string,
    });

    expect(await onBob('cluster', 'export', '-o', 'back.age')).toMatchObject({ exitCode: 0 });
    const back = await onAda('cluster', 'adopt', 'back.age');
    expect(back.out).toMatch(/^carried, revision 2, lives here now\.\n.* plan --check/);
    expect(await rolledOut(ada, plan, { basis: 1 })).toMatchObject({ state: 'done', changed: 0 });
  });
});

it('refuses to export what runs, what is unknown, and over a file that is there', async () => {
  writeSpec('refusing');
  await withTwo(machines, otherVault, async (ada) => {
    const onAda = calling(ada);
    expect((await onAda('cluster', 'export')).err).toContain('Nothing is known of the cluster refusing here.');
    machines.of('vm1').write('srv/hold/pkg.install');
    await apply(ada, planOf('refusing', hosts));
    expect((await onAda('cluster', 'export')).err).toContain('A rollout of refusing runs (revision 1).');
    machines.of('vm1').remove('srv/hold');
    await until(async () => (await status(ada, 'refusing')).rollout === undefined);
    writeFileSync(join(cwd, 'there'), 'precious');
    expect(await onAda('cluster', 'export', '-o', 'there')).toMatchObject({
      exitCode: 2,
      err: 'there is there already.\nChoose another name (--output), or replace it (--force).\n',
    });
    expect(readFileSync(join(cwd, 'there'), 'utf8')).toBe('precious');

    const kept = await onAda('cluster', 'export', '--keep', '--force', '-o', 'there', '--json');
    expect(JSON.parse(kept.out)).toMatchObject({ moved: false });
    expect((await status(ada, 'refusing')).moved).toBeUndefined();
  });
});

it('takes the cluster up from its hosts, when the server is lost and the identity of its workers is not', async () => {
  writeSpec('lost');
  const plan = planOf('lost', hosts);
  await withWorker(machines, async (queue) => {
    const ada: Laptop = { client, queue, vault, by: 'ada@laptop' };
    await rolledOut(ada, plan);
    const before = await status(ada, 'lost');
    await client.workflow.getHandle(clusterId('lost')).terminate('the file of the server was lost');
    // What has begun there ends with it; a server that starts anew has never heard of any of this.
    const adopted = await calling(ada)('cluster', 'adopt', '--from-hosts');
    expect(adopted).toMatchObject({ exitCode: 0 });
    expect(adopted.err).toMatch(/^vm1 +cluster lost +ada@laptop since \d{4}-\d\d-\d\d +copy of revision 1 +id /m);
    const after = await status(ada, 'lost');
    for (const same of ['revision', 'version', 'knowledge', 'facts', 'owner'] as const)
      expect(after[same]).toEqual(before[same]);
    expect(after.events.at(-1)?.what).toBe('adopted from the copy on its hosts');
    expect(await rolledOut(ada, plan, { basis: 1 })).toMatchObject({ state: 'done', changed: 0 });
  });
});

it('says which secrets are lost with the identity, and goes on without them only when told to', async () => {
  writeSpec('keyless');
  await withTwo(machines, otherVault, async (ada, bob) => {
    await rolledOut(ada, planOf('keyless', hosts));
    const onBob = calling(bob);
    const refused = await onBob('cluster', 'adopt', '--from-hosts');
    expect(refused.exitCode).toBe(1);
    expect(refused.err).toContain('3 secrets of keyless cannot be opened.');
    expect(refused.err).toMatch(/^ {2}db\.password: made for the cluster, and known to nobody else/m);
    expect(refused.err).toMatch(/^ {2}cluster\.digestKey: containers are labelled by it/m);
    expect(refused.err).toContain(`Put the identity of its workers back into ${otherFolder}`);
    const adopted = await onBob('cluster', 'adopt', '--from-hosts', '--without-secrets', '--json');
    expect(JSON.parse(adopted.out)).toMatchObject({
      revision: 1,
      lost: ['cluster.digestKey', 'db.password', 'vm.password'],
    });
    expect((await status(bob, 'keyless')).owner).toBe((await status(ada, 'keyless')).owner);
  });
});

it('adopts nothing from hosts that are nobody’s, or that do not answer', async () => {
  writeSpec('nothing');
  machines.of('vm2').write('unreachable');
  await withTwo(machines, otherVault, async (ada) => {
    const { exitCode, err } = await calling(ada)('cluster', 'adopt', '--from-hosts');
    expect(err).toMatch(/^vm1 +nobody’s$/m);
    expect(err).toMatch(/^vm2\n {2}Unreachable {2}owner of vm2: /m);
    expect(err).toContain('No host that answers belongs to a cluster nothing.');
    expect(exitCode).toBe(1);
  });
});

it('names hosts of somebody else when it only looks, and finds nothing wrong with its own', async () => {
  const plan = planOf('looked', hosts);
  const made: Draft = { plan, digest: digestOf(plan), basis: 0, knowledge: { indexes: {} } };
  await withTwo(machines, otherVault, async (ada, bob) => {
    await rolledOut(ada, plan);
    const looking = async (laptop: Laptop, namespace: string, request: string) => {
      const env = { FARWEAVE_TASK_QUEUE: laptop.queue, FARWEAVE_RECIPIENT: laptop.vault.recipient };
      const farweave = await connect({ address: inject('address'), namespace, env });
      const state = laptop === ada ? await status(ada, 'looked') : undefined;
      const { problems } = await look(farweave, made, CANARIES, { request, state });
      await farweave.close();
      return problems.map(({ host, type }) => `${host} ${type}`).toSorted();
    };
    expect(await looking(ada, 'default', 'own')).toEqual([]);
    expect(await looking(bob, ELSEWHERE, 'foreign')).toEqual(['vm1 Owned', 'vm2 Owned']);
  });
});

it('lists the clusters that a server knows', async () => {
  await withTwo(machines, otherVault, async (ada, bob) => {
    await rolledOut(ada, planOf('listed', hosts));
    await until(async () => (await calling(ada)('cluster', 'list')).out.includes('listed '));
    expect((await calling(ada)('cluster', 'list')).out).toMatch(/^listed +revision 1 +done$/m);
    const { clusters } = JSON.parse((await calling(bob)('cluster', 'list', '--json')).out) as {
      clusters: readonly { readonly cluster: string }[];
    };
    expect(clusters.map(({ cluster }) => cluster)).not.toContain('listed');
  });
});
