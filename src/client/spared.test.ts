import { expect, it } from 'vitest';
import { compilePlan } from '../plan/compile.ts';
import type { Facts } from '../plan/plan.ts';
import { keep } from '../spec/kept.ts';
import { parseCluster } from '../spec/parse.ts';
import { rotation } from './rotation.ts';
import { needing, spared } from './spared.ts';

const file = (access: string, own = '') => `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: demo }
sites: { ams: {} }
access: { ${access} }
hosts:
  - { name: vm0, site: ams, address: 192.0.2.10 }
  - { name: vm1, site: ams, address: 192.0.2.11${own} }
roles: {}
`;
const ROTATED = 'user: ada, password: { env: NODE_PASSWORD }, rotate: true';

function made(access: string, facts: Facts, { own = '', sealed = {} } = {}) {
  const { cluster } = parseCluster(file(access, own), { file: 'cluster.yaml' });
  const plan = compilePlan(cluster, { indexes: {} });
  return { plan, ...spared(plan, cluster.secrets, { facts, sealed: { 'access.key': 'YWdl', ...sealed } }) };
}
const has = (...hosts: string[]): Facts => ({
  'access.key': Object.fromEntries(hosts.map((host) => [host, 'access.key'])),
});

it.each([
  ['no host has the key', {}, {}],
  ['one has it', has('vm0'), {}],
  ['one has lost it', { 'access.key': { vm0: 'access.key', vm1: '' } }, {}],
  ['all have it', has('vm0', 'vm1'), { 'access.password': 'the environment variable NODE_PASSWORD' }],
  ['sudo asks on one', { ...has('vm0', 'vm1'), 'access.sudo': { vm0: '', vm1: 'asks' } }, {}],
] as const)('spares what no host needs: %s', (_, facts, absent) => {
  expect(made(ROTATED, facts).absent).toEqual(absent);
});

it('spares the login password where sudo has one of its own, and that one is what is needed', () => {
  const access = `${ROTATED}, sudo: { password: { command: [vault, read, sudo] } }`;
  const asks = { ...has('vm0', 'vm1'), 'access.sudo': { vm0: 'asks', vm1: 'asks' } };
  expect(made(access, asks).absent).toEqual({ 'access.password': 'the environment variable NODE_PASSWORD' });
  expect(made(access, has('vm0', 'vm1')).absent['access.sudoPassword']).toBe('`vault read sudo`');
});

it('spares the password where doas took the place of sudo, which had asked for it', () => {
  const asks = { ...has('vm0', 'vm1'), 'access.sudo': { vm0: 'asks', vm1: 'asks' } };
  expect(made(ROTATED, asks).absent).toEqual({});
  expect(made(`${ROTATED}, become: doas`, asks).absent).toHaveProperty('access.password');
});

it('spares nothing of a cluster that has no key of its own, or of a host that does without', () => {
  expect(made('password: { env: NODE_PASSWORD }', has('vm0', 'vm1')).absent).toEqual({});
  expect(made(ROTATED, has('vm0', 'vm1'), { own: ', rotate: false' }).absent).toEqual({});
});

it('is content with what is kept for a host that has no key yet, and not with what was forgotten', () => {
  const keptNow = (text: string) => [...made(ROTATED, has('vm0'), { sealed: { 'access.password': text } }).kept];
  expect(keptNow('YWdl')).toEqual(['access.password']);
  expect(keptNow('absent:the file pw')).toEqual([]);
});

it('asks for what was given where the key itself was lost', () => {
  const { cluster } = parseCluster(file(ROTATED), { file: 'cluster.yaml' });
  const plan = compilePlan(cluster, { indexes: {} });
  expect(spared(plan, cluster.secrets, { facts: has('vm0', 'vm1'), sealed: {} }).absent).toEqual({});
});

it('names the hosts that need a credential', () => {
  const { plan } = made(ROTATED, {});
  expect(needing(plan.hosts, { facts: has('vm0'), sealed: { 'access.key': 'YWdl' } }, 'access.password')).toEqual([
    'vm1',
  ]);
});

function known(access: string, facts: Facts, more = {}) {
  const { cluster } = parseCluster(file(access), { file: 'cluster.yaml' });
  const knowledge = { indexes: { vm0: 0, vm1: 1 } };
  return { version: 3, revision: 1, knowledge, facts, sealed: {}, events: [], wanted: keep(cluster), ...more };
}

it('makes a rotation of the three steps of the key, and keeps the whole plan with the next key', () => {
  const { plan, after, knowledge } = rotation(known(ROTATED, has('vm0', 'vm1')));
  expect(plan.purpose).toBe('apply');
  expect(plan.stages.map(({ operation }) => operation)).toEqual(['system.key', 'system.login', 'system.formerKeys']);
  expect(plan.hosts.map(({ access }) => access.key)).toEqual(['access.key-2', 'access.key-2']);
  expect(plan.secrets['access.key-2']).toEqual({ from: 'generated', key: 'ed25519' });
  expect(knowledge.key).toBe(2);
  expect(after!.plan.stages.length).toBeGreaterThan(10);
  expect(after!.plan.hosts).toEqual(plan.hosts);
});

it('finishes a rotation that was broken off before it begins another; a parked host does not hold it up', () => {
  const second = { knowledge: { indexes: { vm0: 0, vm1: 1 }, key: 2 } };
  const facts = { 'access.key': { vm0: 'access.key-2', vm1: 'access.key' } };
  expect(rotation(known(ROTATED, facts, second)).knowledge.key).toBe(2);
  expect(rotation(known(ROTATED, facts, { ...second, parked: { vm1: {} } })).knowledge.key).toBe(3);
});

it('refuses to rotate what is not there', () => {
  expect(() => rotation(known('password: { env: NODE_PASSWORD }', {}))).toThrow('no key that Farweave has made');
});
