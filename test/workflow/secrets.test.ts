import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newIdentity, openerOf, seal } from '../../src/activities/vault.ts';
import { apply, status } from '../../src/client/index.ts';

import { begin, draftOf, type Here, withCommandLine } from './command-line.ts';
import { CANARIES, connected, until, vaultFolder } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();

let machines: Machines;
let cwd: string;
beforeEach(() => {
  machines = new Machines();
  cwd = mkdtempSync(join(tmpdir(), 'farweave-sealed-'));
});
afterEach(() => {
  machines.remove();
  rmSync(cwd, { recursive: true });
});

const hosts = hostsOf(1, 1);

const fileOf = (name: string, password: string) => `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: ${name} }
sites: { site1: {} }
access: { user: vagrant, password: ${password} }
hosts:
  - { name: vm1, site: site1, address: 192.0.2.1 }
roles: { docker: {} }
`;

const ended = ({ farweave }: Here, name: string) =>
  until(async () => {
    const state = await status(farweave, name);
    return state?.rollout === undefined && state?.last?.state === 'done';
  });

it('rolls out with a value that was sealed before, and refuses one that was sealed for others before it touches a host', async () => {
  await withCommandLine(machines, { cwd, file: fileOf('sealed-before', '{ env: X }') }, async (here) => {
    const { recipient } = await newIdentity();
    const foreign = await seal(recipient, CANARIES['vm.password']);
    const secrets = { ...CANARIES, 'vm.password': { age: foreign } };
    await expect(apply(here.farweave, draftOf(planOf('sealed-before', hosts)), secrets)).rejects.toMatchObject({
      message: 'vm.password: sealed for other workers than these, or damaged',
      hint: expect.stringContaining('farweave secrets seal'),
    });
    expect(machines.of('vm1').read('srv/log')).toBeUndefined();
    expect((await status(here.farweave, 'sealed-before'))?.revision).toBe(0);

    const ours = await seal(await here.farweave.recipient(), CANARIES['vm.password']);
    await apply(here.farweave, draftOf(planOf('sealed-before', hosts)), { ...CANARIES, 'vm.password': { age: ours } });
    await ended(here, 'sealed-before');
  });
});

it('gives workers a new identity under way, loses nothing, and retires the former one when nothing needs it', async () => {
  const old = await readFile(join(vaultFolder, 'identity'), 'utf8');
  const age = await seal((await readFile(join(vaultFolder, 'recipient'), 'utf8')).trim(), 'hunter2');
  await withCommandLine(machines, { cwd, file: fileOf('reborn', `{ age: ${age} }`) }, async (here) => {
    const call = (...argv: string[]) => here.call('--state', vaultFolder, 'secrets', ...argv);
    await begin(here.farweave, planOf('reborn', hosts));
    await ended(here, 'reborn');
    // The server's list of clusters may be a moment behind.
    await until(async () => (await here.call('cluster', 'list')).out.includes('reborn '));
    const rotated = async () => {
      const { sealed, open } = JSON.parse((await call('rotate', '--json')).out) as {
        sealed: Record<string, number>;
        open: { of: string; what: string }[];
      };
      return { sealed, open: open.map(({ of, what }) => `${of}: ${what}`) };
    };
    const inFile = 'cluster.yaml: seal again (farweave secrets seal): access.password';
    const onHosts = 'reborn: its copies on hosts are from before: farweave apply renews them';
    expect(await rotated()).toEqual({ sealed: { reborn: 3 }, open: [inFile, onHosts] });
    expect(await rotated()).toEqual({ sealed: { reborn: 0 }, open: [inFile, onHosts] });
    const now = (await status(here.farweave, 'reborn'))!;
    const current = (await readFile(join(vaultFolder, 'identity'), 'utf8')).split('\n')[0]!;
    const opened = await Promise.all(Object.values(now.sealed).map(openerOf(current)));
    expect(opened).toContain(CANARIES['vm.password']);
    await expect(openerOf(old)(now.sealed['db.password']!)).rejects.toThrow('no identity');

    const refused = await call('rotate', '--retire');
    expect(refused).toMatchObject({ exitCode: 1, err: expect.stringContaining('its copies on hosts are from before') });

    // Workers that have not been restarted open what is sealed for either.
    const recipient = (await readFile(join(vaultFolder, 'recipient'), 'utf8')).trim();
    const sealedAgain = { 'vm.password': { age: await seal(recipient, CANARIES['vm.password']) } };
    await apply(here.farweave, draftOf(planOf('reborn', hosts), now.version), sealedAgain);
    await ended(here, 'reborn');
    expect((await rotated()).open).toEqual([inFile]);
    expect((await call('rotate', '--retire', '--force')).exitCode).toBe(0);
    expect(await readFile(join(vaultFolder, 'identity'), 'utf8')).toBe(`${current}\n`);
    expect(await readFile(join(vaultFolder, 'identity.former'), 'utf8')).toContain(old.trim());
  });
});
