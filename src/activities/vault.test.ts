import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openVault, random, seal } from './vault.ts';

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

it('makes random texts of a length, from an alphabet', () => {
  expect(random({ length: 300, alphabet: 'alphanumeric' })).toMatch(/^[A-Za-z0-9]{300}$/);
  expect(random({ length: 756, alphabet: 'base64' })).toMatch(/^[A-Za-z0-9+/]{756}$/);
  expect(random({ length: 20, alphabet: 'base64' })).not.toBe(random({ length: 20, alphabet: 'base64' }));
});
