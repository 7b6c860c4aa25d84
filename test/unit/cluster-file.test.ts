import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openVault } from '../../src/activities/vault.ts';
import { type ClusterFile, readClusterFile, readCopy, writeClusterFile } from '../../src/client/cluster-file.ts';
import { resealed } from '../../src/client/moving.ts';
import { passphrase } from '../../src/client/passphrase.ts';
import { farweave } from './cli-io.ts';

const PASSPHRASE = 'correct horse battery';
/** What this release knows nothing of. */
const later = { futures: [{ revision: 7 }] };
const content: ClusterFile = {
  format: 'farweave-cluster/1',
  cluster: 'forum',
  exported: { at: '2026-11-02T09:00:00.000Z', by: 'ada@laptop' },
  identity: 'AGE-SECRET-KEY-1CANARY',
  state: {
    ...later,
    version: 2,
    revision: 7,
    owner: '3b1c',
    knowledge: { indexes: { vm0: 0, vm1: 3 } },
    facts: { 'host.key': { vm0: 'SHA256:x' } },
    sealed: { 'db.password': 'ciphertext' },
    events: [{ at: '2026-11-02T09:00:00.000Z', what: 'revision 7: done, 0 changed', by: 'ada@laptop' }],
  },
};

let folder: string;
const at = (name: string) => join(folder, name);
const write = (force = false) => writeClusterFile(at('f.age'), content, { passphrase: PASSPHRASE, force });
const read = (given = PASSPHRASE) => readClusterFile(at('f.age'), () => Promise.resolve(given));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farweave-file-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

// To lock and to unlock takes a second or two each: that is what it is for.
describe("a cluster's file", { timeout: 60_000 }, () => {
  it('gives back all that was put into it, also what a later release remembers, and shows nothing of it', async () => {
    await write();
    expect(await read()).toEqual(content);
    expect(statSync(at('f.age')).mode & 0o777).toBe(0o600);
    expect(readFileSync(at('f.age'), 'latin1')).not.toMatch(/CANARY|forum|vm0/);
    expect(readdirSync(folder)).toEqual(['f.age']);
    await expect(read('wrong')).rejects.toThrow('The passphrase does not open');
  });

  it('replaces no other unless forced to, and then is for its owner’s eyes only too', async () => {
    writeFileSync(at('f.age'), 'precious');
    chmodSync(at('f.age'), 0o644);
    await expect(write()).rejects.toThrow('is there already');
    expect(readFileSync(at('f.age'), 'utf8')).toBe('precious');
    expect(readdirSync(folder)).toEqual(['f.age']);
    await write(true);
    expect(statSync(at('f.age')).mode & 0o777).toBe(0o600);
  });

  it('is told from other files, and from none', async () => {
    await expect(read()).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining('There is no file') });
    writeFileSync(at('f.age'), '{}');
    await expect(read()).rejects.toThrow("is not a cluster's file");
  });
});

describe('a copy from a host', () => {
  const packed = (text: string) => gzipSync(text).toString('base64');
  const { events: _, ...state } = content.state;

  it('becomes what the cluster was, but for its events', () => {
    const copy = readCopy(packed(JSON.stringify({ ...state, cluster: 'forum' })));
    expect(copy).toEqual({ ...content.state, cluster: 'forum', events: [] });
  });

  it.each(['', 'AAAA', packed('{'), packed('{"revision":1}')])('is refused when damaged: %j', (damaged) => {
    expect(() => readCopy(damaged)).toThrow('damaged');
  });
});

it('seals secrets anew for other workers, and names those that cannot be opened', async () => {
  const [ours, theirs] = [await openVault(at('ours')), await openVault(at('theirs'))];
  const before = { a: await ours.seal('one'), b: await theirs.seal('two'), c: 'worker:entry', d: 'rubbish' };
  const { sealed, lost } = await resealed(before, (text) => ours.open(text), theirs.recipient);
  expect(lost).toEqual(['b', 'd']);
  expect(Object.keys(sealed)).toEqual(['a', 'c']);
  expect(sealed['c']).toBe('worker:entry');
  expect(await theirs.open(sealed['a']!)).toBe('one');
});

it('wants a passphrase, and a new one that is not too short', async () => {
  const io = { env: { FARWEAVE_PASSPHRASE: 'short' }, canAsk: false };
  expect(await passphrase(io)).toBe('short');
  await expect(passphrase(io, { twice: true })).rejects.toThrow('at least 8 characters');
  await expect(passphrase({ env: {}, canAsk: false })).rejects.toThrow('No passphrase was given');
});

it.each([
  { argv: ['adopt'], says: 'Adopt what? No file was given.' },
  { argv: ['adopt', 'f.age', '--from-hosts'], says: 'Adopt from the file, or from the hosts?' },
  { argv: ['adopt', 'missing.age'], says: 'There is no file' },
  { argv: ['export', '--ouput', 'x'], says: 'Did you mean --output?' },
])('farweave cluster $argv exits with 2 and starts nothing', async ({ argv, says }) => {
  const { exitCode, err, out } = await farweave(['cluster', ...argv], { cwd: folder });
  expect(err).toContain(says);
  expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
});
