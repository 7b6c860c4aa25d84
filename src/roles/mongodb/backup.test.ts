import { describe, expect, it, test } from 'vitest';
import type { HostSpec } from '../../plan/plan.ts';
import { backupsIn } from '../backup.ts';
import type { Operation } from '../operation.ts';
import { backup, copied, kept } from './backup.ts';
import { replaced, restorable, unpacked } from './restore.ts';
import { LAG, sources, standing } from './standing.ts';

const machine = (index: number): HostSpec => ({
  name: `vm${index}`,
  site: ['ams', 'fra', 'fra'][index]!,
  index,
  address: `192.0.2.1${index}`,
  port: 22,
  user: 'root',
  labels: {},
  access: {},
});
const hosts = [0, 1, 2].map(machine);
const [vm0, vm1] = hosts as [HostSpec, HostSpec, HostSpec];
const said = (stdout: string) => ({ exitCode: 0, stdout, stderr: '' });

const id = '20261125-143005';
const member = {
  cluster: 'demo',
  image: 'mongo:8.0.17',
  replicaSet: 'rs0',
  port: 27017,
  options: [],
  network: { driver: 'wireguard' as const, range: '10.200.0.0/16', prefix: 24, domain: 'farweave.local', mtu: 1320 },
};
const taking = { ...member, id, copies: 2, hosts: hosts.map(({ name, site }) => ({ name, site })) };
const well = { vm0: 'PRIMARY 0 3', vm1: 'SECONDARY 0 3', vm2: 'SECONDARY 1 3' };

/** The script that an operation would run. */
function applied<Args>(operation: Pick<Operation<Args>, 'name'>, host: HostSpec, args: Args): string {
  const { apply } = operation as Partial<Extract<Operation<Args>, { apply: unknown }>>;
  return apply!(host, args, { is: 'no', now: '', wanted: '' }, {}).text;
}

test.each([
  ['secondaries of a set that is well', well, 2, ['vm1', 'vm2']],
  ['one, where one is wanted', well, 1, ['vm1']],
  ['the one that is up to date', { ...well, vm1: 'SECONDARY 300 3' }, 1, ['vm2']],
  [
    'one of another site before a nearer one',
    { vm0: 'SECONDARY 0 3', vm1: 'PRIMARY 0 3', vm2: 'SECONDARY 9 3' },
    2,
    ['vm0', 'vm2'],
  ],
  ['no member that copies', { ...well, vm1: 'STARTUP2 0 3' }, 2, ['vm2']],
  ['nobody where only the primary is left of several', { vm0: 'PRIMARY 0 3', vm1: 'away 0 0', vm2: '' }, 2, []],
  ['the primary where it is alone', { vm0: 'PRIMARY 0 1' }, 2, ['vm0']],
])('takes a backup of %s', (_, lags, copies, names) => {
  expect(sources(lags, hosts, copies)).toEqual(names);
});

test.each([
  ['farweave {"standing":"SECONDARY 2 3"}\n', 'SECONDARY 2 3'],
  ['Error: no such container\n', 'away 0 0'],
  ['', 'away 0 0'],
])('a member that says %j stands as %s', (stdout, value) => {
  expect(standing.judge(said(stdout), vm0, { port: 27017 }, {})).toEqual({ is: 'yes', facts: { [LAG]: value } });
});

describe('mongodb.copied', () => {
  test.each([
    ['nobody has been asked yet', '', {}, 'vm1', 'no'],
    ['a member that is to take it has it not', '', well, 'vm1', 'no'],
    ['it has it', 'copied\n', well, 'vm1', 'yes'],
    ['another takes it', '', well, 'vm0', 'yes'],
    ['nobody can be spared', '', { vm0: 'PRIMARY 0 3', vm1: 'away 0 0' }, 'vm0', 'unknown'],
  ])('where %s', (_, stdout, lags, name, is) => {
    const host = hosts.find((each) => each.name === name)!;
    expect(copied.judge(said(stdout), host, taking, { [LAG]: lags }).is).toBe(is);
  });

  it('packs only after the member is unlocked', () => {
    const text = applied(copied, vm1, taking);
    expect(text.indexOf('cp -a')).toBeLessThan(text.indexOf('wait "$guard"'));
    expect(text.indexOf('wait "$guard"')).toBeLessThan(text.indexOf('nice tar'));
    expect(text).toContain('"$fw_mongodb_adminPassword_json"');
  });
});

it('is a backup only when it has been read in a MongoDB that nobody reaches', () => {
  const text = applied(backup, vm1, taking);
  expect(text).toContain('--network=none');
  expect(text.indexOf('validate')).toBeLessThan(text.indexOf(`mv /var/lib/farweave/backups/.${id}`));
});

const manifest = {
  id,
  cluster: 'demo',
  replicaSet: 'rs0',
  at: '2026-11-25T14:30:20Z',
  locked: 1,
  bytes: 12,
  sha256: 'a'.repeat(64),
  version: '8.0.17',
  until: '2026-11-25T14:30:04.000Z',
  documents: 3,
};
const line = (changed: object = {}) => `backup ${id} ${JSON.stringify({ ...manifest, ...changed })}\n`;

describe('mongodb.kept', () => {
  const judge = (stdout: string, keep = 2) => kept.judge(said(stdout), vm1, { keep }, {});

  it('tells which backups there are, in as few words as a fact may have', () => {
    const { facts } = judge(`${line()}backup 20261126-000000 {"id":\n`) as { facts: Record<string, string> };
    const table = Object.fromEntries(Object.entries(facts).map(([fact, value]) => [fact, { vm1: value }]));
    expect(backupsIn(table)).toEqual([
      { id, host: 'vm1', kept: expect.objectContaining({ documents: 3, version: '8.0.17' }) as unknown },
      { id: '20261126-000000', host: 'vm1' },
    ]);
    expect(Object.values(facts).map(({ length }) => length <= 256)).toEqual([true, true]);
  });

  test.each([
    ['as many as wanted', line().repeat(2), 'yes', undefined],
    ['one too many', line().repeat(3), 'no', '3 backups'],
    ['what a restore has left', 'left /var/lib/mongodb/.farweave-before-1\n', 'no', '.farweave-before-1'],
    ['nothing', '', 'yes', undefined],
  ])('judges %s', (_, stdout, is, now) => {
    expect(judge(stdout)).toMatchObject({ is, ...(now && { now }) });
  });
});

const asked = '20261201-080000';
const restored = { ...member, id, asked, from: 'vm1', sha256: manifest.sha256, version: '8.0.17' };

describe('mongodb.restorable', () => {
  const sum = (digest = manifest.sha256) => `${digest}  data.tar.gz\n`;
  test.each([
    ['a whole backup', line() + sum(), 'yes', ''],
    ['one that is too large to be looked at in a moment', line(), 'yes', ''],
    ['none', sum(), 'no', 'no backup'],
    ['an archive that was damaged', line() + sum('b'.repeat(64)), 'no', 'is damaged: its archive'],
    [
      'another archive than the one that was agreed to',
      line({ sha256: 'c'.repeat(64) }) + sum('c'.repeat(64)),
      'no',
      'damaged',
    ],
    ['a manifest that was damaged', `backup ${id} {"id":"2026\n${sum()}`, 'no', 'its manifest cannot be read'],
    ['one of another cluster', line({ cluster: 'other' }) + sum(), 'no', 'a backup of rs0 of other'],
    ['one of another release', line({ version: '7.0.1' }) + sum(), 'no', 'a backup of MongoDB 7.0.1'],
  ])('judges %s', (_, stdout, is, now) => {
    const verdict = restorable.judge(said(stdout), vm1, restored, {});
    expect(verdict).toMatchObject({ is });
    expect('now' in verdict ? verdict.now : '').toContain(now);
  });
});

it('checks the archive once more before it unpacks it', () => {
  const text = applied(unpacked, vm1, restored);
  expect(text.indexOf('sha256sum -c')).toBeLessThan(text.indexOf('tar -C'));
});

it('takes what an earlier restore of the same backup has left for none of its own', () => {
  for (const operation of [unpacked, replaced]) {
    const { text } = operation.probe(vm1, restored, {}) as { text: string };
    expect(text).toContain(asked);
    expect(text).not.toContain(id);
  }
});

it('puts the backup in place on the host that has it, and leaves the others empty', () => {
  expect(applied(replaced, vm1, restored)).toContain(`/var/lib/mongodb/.farweave-restored-${asked}`);
  expect(applied(replaced, vm0, restored)).not.toContain('restored');
  for (const host of hosts) expect(applied(replaced, host, restored)).toContain('docker stop -t 60');
});
