import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openVault } from '../../src/activities/vault.ts';
import { farweave } from './cli-io.ts';

let cwd: string;
const state = () => join(cwd, 'state');
const call = (argv: readonly string[], stdin = '') =>
  farweave(['--state', state(), 'secrets', ...argv], { cwd, stdin });

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'farweave-secrets-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

describe('farweave secrets seal', () => {
  it('prints what can stand in the cluster file, and only the workers of this server can open', async () => {
    const vault = await openVault(state());
    const { exitCode, out } = await call(['seal'], 'hunter2 \n');
    expect(exitCode).toBe(0);
    const [, sealed = ''] = /^\{ age: (\S+) \}\n$/.exec(out) ?? [];
    expect(await vault.open(sealed)).toBe('hunter2 ');
    expect(out).not.toContain(Buffer.from('hunter2').toString('base64').slice(0, 8));
  });

  it('seals for those who are named instead', async () => {
    const vaults = [await openVault(join(cwd, 'a')), await openVault(join(cwd, 'b'))];
    const to = vaults.flatMap(({ recipient }) => ['--recipient', recipient]);
    const { out } = await call(['seal', '--json', ...to], 'hunter2');
    const { age, recipients } = JSON.parse(out) as { age: string; recipients: string[] };
    expect(recipients).toEqual(vaults.map(({ recipient }) => recipient));
    for (const vault of vaults) expect(await vault.open(age)).toBe('hunter2');
  });

  it('says for whom it could seal where nobody knows, and refuses what is nobody, and nothing', async () => {
    expect(await call(['seal'], 'x')).toMatchObject({
      exitCode: 3,
      err: expect.stringContaining('FARWEAVE_RECIPIENT'),
    });
    const nobody = await call(['seal', '--recipient', 'bob'], 'hunter2');
    expect(nobody).toMatchObject({ exitCode: 2, out: '', err: expect.stringContaining('begins with age1') });
    expect(nobody.err).not.toContain('hunter2');
    await openVault(state());
    expect(await call(['seal'], '\n')).toMatchObject({ exitCode: 2, err: expect.stringContaining('nothing to seal') });
  });
});

describe('farweave secrets keygen', () => {
  it('makes the identity that workers will have, and prints for whom to seal', async () => {
    const { exitCode, out } = await call(['keygen']);
    expect(exitCode).toBe(0);
    expect(statSync(join(state(), 'identity')).mode & 0o777).toBe(0o600);
    expect((await openVault(state())).recipient).toBe(out.trim());
  });

  it('overwrites nothing', async () => {
    writeFileSync(join(cwd, 'mine'), 'mine');
    const { exitCode, err } = await call(['keygen', '-o', 'mine']);
    expect({ exitCode, err }).toEqual({ exitCode: 2, err: expect.stringContaining('is there already') });
    expect(readFileSync(join(cwd, 'mine'), 'utf8')).toBe('mine');
  });
});

it('farweave secrets rotate makes no identity where none is, and starts no server', async () => {
  expect(await call(['rotate'])).toMatchObject({ exitCode: 1, err: expect.stringContaining('no identity of workers') });
});
