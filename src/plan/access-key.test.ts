import { describe, expect, it } from 'vitest';
import { parseCluster } from '../spec/parse.ts';
import { currentKey, isAccessKey, keyMoved, waysIn } from './access-key.ts';
import { allot, compilePlan } from './compile.ts';
import { RELEASED } from './plan.ts';

const { cluster } = parseCluster(
  `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: demo }
sites: { ams: {} }
access: { password: { env: NODE_PASSWORD }, rotate: true }
hosts:
  - { name: vm0, site: ams, address: 192.0.2.10 }
  - { name: vm1, site: ams, address: 192.0.2.11, rotate: false }
roles: {}
`,
  { file: 'cluster.yaml' },
);

it('gives the hosts of a plan the key that is current, and those that do without none', () => {
  const { hosts, secrets } = compilePlan(cluster, { indexes: {}, key: 3 });
  expect(hosts.map(({ access }) => access)).toEqual([
    { password: 'access.password', key: 'access.key-3' },
    { password: 'access.password' },
  ]);
  expect(secrets).toEqual({
    'access.password': { from: 'spec' },
    'access.key-3': { from: 'generated', key: 'ed25519' },
  });
});

it('keeps the number of keys where hosts are given their places', () => {
  expect(allot(cluster, { indexes: { vm0: 4 }, key: 2 })).toEqual({ indexes: { vm0: 4, vm1: 0 }, key: 2 });
  expect(allot(cluster, { indexes: {} })).not.toHaveProperty('key');
});

it('takes the key away last where hosts leave, in one breath with giving them up', () => {
  const { stages } = compilePlan(cluster, { indexes: {} }, { purpose: 'destroy', data: true });
  const [former, key, released] = stages.slice(-3);
  expect([former, key, released].map((stage) => stage?.operation)).toEqual([
    'system.formerKeys.withdraw',
    'system.key.withdraw',
    RELEASED,
  ]);
  expect(released?.lane).toBe(key?.lane);
});

it('installs, proves and cleans up in this order, before anything is changed on the host', () => {
  const operations = compilePlan(cluster, { indexes: {} })
    .stages.filter(({ kind }) => kind !== 'preflight')
    .map(({ operation }) => operation);
  expect(operations.slice(0, 4)).toEqual(['system.quiet', 'system.key', 'system.login', 'system.formerKeys']);
});

it.each(['access.key', 'access.key-2', 'access.key-10'])('knows %s for a key of the cluster', (name) => {
  expect(isAccessKey(name)).toBe(true);
});

it.each(['access.key.password', 'access.keys', 'access.key-', 'access.password'])(
  'does not take %s for one',
  (name) => {
    expect(isAccessKey(name)).toBe(false);
  },
);

it('takes the way in to one host along, and no facts of others', () => {
  const facts = {
    'host.key': { vm0: 'SHA256:a', vm1: 'SHA256:b' },
    'access.key': { vm0: currentKey({ indexes: {} }) },
    x: { vm0: 'y' },
  };
  expect(waysIn(['vm0'], facts)).toEqual({ 'host.key': { vm0: 'SHA256:a' }, 'access.key': { vm0: 'access.key' } });
  expect(waysIn(['vm1'], facts)).toEqual({ 'host.key': { vm1: 'SHA256:b' } });
  expect(waysIn(['vm0', 'vm1'], facts)).toEqual({
    'host.key': { vm0: 'SHA256:a', vm1: 'SHA256:b' },
    'access.key': { vm0: 'access.key' },
  });
});

describe('the key that a host is known by', () => {
  const known = { 'host.key': { vm0: 'SHA256:a' }, 'host.key.other': { vm0: 'SHA256:b' } };

  it('may be the other one from now on: then the one before is the other', () => {
    expect(keyMoved(known, 'vm0', { 'host.key': 'SHA256:b', x: 'y' })).toEqual({
      'host.key': 'SHA256:b',
      'host.key.other': 'SHA256:a',
      x: 'y',
    });
  });

  it.each([
    ['is shown once more', known, 'vm0', { 'host.key': 'SHA256:a' }],
    ['is one that nobody announced', known, 'vm0', { 'host.key': 'SHA256:c' }],
    ['is the first of a host', known, 'vm1', { 'host.key': 'SHA256:b' }],
    ['is not news', known, 'vm0', { x: 'y' }],
  ])('stands alone where it %s', (_, facts, host, news) => {
    expect(keyMoved(facts, host, news)).toBe(news);
  });
});
