import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { identityOf, keygen, openerOf, openVault, random, retireIdentities, rotateIdentity, seal } from './vault.ts';

let state: string;
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'farweave-vault-'));
});
afterEach(() => rm(state, { recursive: true }));

it('opens what was sealed for its recipient, also after a restart', async () => {
  const { recipient } = await openVault(state);
  const sealed = await seal(recipient, 'grün & "quoted"');
  expect(Buffer.from(sealed, 'base64').includes('grün')).toBe(false);
  expect(await (await openVault(state)).open(sealed)).toBe('grün & "quoted"');
  expect((await readFile(join(state, 'recipient'), 'utf8')).trim()).toBe(recipient);
});

it('keeps its identity from others', async () => {
  await openVault(state);
  expect((await stat(join(state, 'identity'))).mode & 0o777).toBe(0o600);
});

it('is one, however many workers start at once', async () => {
  const vaults = await Promise.all(Array.from({ length: 8 }, () => openVault(state)));
  expect(new Set(vaults.map(({ recipient }) => recipient)).size).toBe(1);
});

it('opens each text once, and one that could not be opened again', async () => {
  const vault = await openVault(state);
  const sealed = await vault.seal('x');
  expect(vault.open(sealed)).toBe(vault.open(sealed));
  const broken = vault.open('AAAA');
  await expect(broken).rejects.toThrow('invalid version');
  expect(vault.open('AAAA')).not.toBe(broken);
});

it('does not open what was sealed for somebody else', async () => {
  const [mine, other] = [await openVault(state), await openVault(join(state, 'other'))];
  await expect(mine.open(await other.seal('x'))).rejects.toThrow('no identity');
});

it('seals for several recipients, each of which can open it', async () => {
  const vaults = [await openVault(state), await openVault(join(state, 'other'))];
  const sealed = await seal(
    vaults.map(({ recipient }) => recipient),
    'x',
  );
  expect(await Promise.all(vaults.map((vault) => vault.open(sealed)))).toEqual(['x', 'x']);
});

it('makes an identity for later in a file that only its owner can read, and overwrites none', async () => {
  const recipient = await keygen(join(state, 'identity'));
  expect((await stat(join(state, 'identity'))).mode & 0o777).toBe(0o600);
  expect((await openVault(state)).recipient).toBe(recipient);
  await expect(keygen(join(state, 'identity'))).rejects.toMatchObject({ code: 'EEXIST' });
});

it('while identities change opens what was sealed for either, without a restart, and seals for the new one', async () => {
  const vault = await openVault(state);
  const before = await vault.seal('before');
  const recipient = await rotateIdentity(state);
  const several = await Promise.all(['one', 'two', 'three'].map((value) => seal(recipient, value)));
  expect(await Promise.all(several.map((sealed) => vault.open(sealed)))).toEqual(['one', 'two', 'three']);
  expect(recipient).not.toBe(vault.recipient);
  expect((await readFile(join(state, 'recipient'), 'utf8')).trim()).toBe(recipient);
  expect(await vault.recipientNow()).toBe(recipient);
  const after = await vault.seal('after');
  for (const each of [vault, await openVault(state)])
    expect([await each.open(before), await each.open(after)]).toEqual(['before', 'after']);
});

it('goes on with a change of identities that was broken off, instead of beginning another', async () => {
  await openVault(state);
  const recipient = await rotateIdentity(state);
  await rm(join(state, 'recipient'));
  expect(await rotateIdentity(state)).toBe(recipient);
  expect((await readFile(join(state, 'recipient'), 'utf8')).trim()).toBe(recipient);
});

it('opens nothing with an identity that was retired, which is kept aside', async () => {
  const before = await (await openVault(state)).seal('before');
  await rotateIdentity(state);
  await retireIdentities(state);
  await retireIdentities(state);
  await expect((await openVault(state)).open(before)).rejects.toThrow('no identity');
  expect(await openerOf(await readFile(join(state, 'identity.former'), 'utf8'))(before)).toBe('before');
  expect((await identityOf(state))?.split('\n')).toHaveLength(1);
});

it('makes random texts of a length, from an alphabet', () => {
  expect(random({ length: 300, alphabet: 'alphanumeric' })).toMatch(/^[A-Za-z0-9]{300}$/);
  expect(random({ length: 756, alphabet: 'base64' })).toMatch(/^[A-Za-z0-9+/]{756}$/);
  expect(random({ length: 20, alphabet: 'base64' })).not.toBe(random({ length: 20, alphabet: 'base64' }));
});
