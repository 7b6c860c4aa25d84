import { expect, it } from 'vitest';
import { keep } from '../spec/kept.ts';
import { parseCluster } from '../spec/parse.ts';
import type { ClusterView } from '../workflows/contract.ts';
import { hostKeyRotation, rotated } from './host-key-rotation.ts';

const file = (own = '') => `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: demo }
sites: { ams: {} }
access: { password: { env: NODE_PASSWORD } }
hosts:
  - { name: vm0, site: ams, address: 192.0.2.10 }
  - { name: vm1, site: ams, address: 192.0.2.11${own} }
roles: {}
`;

function known(more: object = {}, own?: string): ClusterView {
  const { cluster } = parseCluster(file(own), { file: 'cluster.yaml' });
  const knowledge = { indexes: { vm0: 0, vm1: 1 } };
  return { version: 3, revision: 1, knowledge, facts: {}, sealed: {}, events: [], wanted: keep(cluster), ...more };
}
const now = new Date('2026-01-02T03:04:05Z');
const parked = { vm1: { type: 'Unreachable', message: 'is away', since: '', revision: 1 } };
const PIN = `, hostKey: "SHA256:${'x'.repeat(43)}"`;

it('makes a plan of the three steps of the host key, and keeps the whole one', () => {
  const { plan, after, basis } = hostKeyRotation(known(), [], now);
  expect(plan.stages.map(({ operation, hosts, args, lane }) => [operation, hosts, args, lane])).toEqual(
    ['system.nextHostKey', 'system.hostKey', 'system.shownHostKey'].map((operation, lane) => [
      operation,
      ['vm0', 'vm1'],
      { mark: 'farweave:demo:2026-01-02T03:04:05.000Z' },
      lane,
    ]),
  );
  expect([plan.purpose, basis]).toEqual(['apply', 3]);
  expect(after!.plan.stages.length).toBeGreaterThan(10);
  expect(after!.plan.stages.filter(({ operation }) => operation.includes('HostKey'))).toEqual([]);
  expect(after!.plan.hosts).toEqual(plan.hosts);
});

it.each([
  ['that are named', ['vm1'], ['vm1']],
  ['once, however often they are named', ['vm1', 'vm1', 'vm0'], ['vm0', 'vm1']],
])('is for hosts %s', (_, names, hosts) => {
  expect(rotated(hostKeyRotation(known(), names))).toEqual(hosts);
});

it('leaves the keys of parked hosts, and of those that the cluster file holds to one where others are named', () => {
  expect(rotated(hostKeyRotation(known({ parked }), []))).toEqual(['vm0']);
  expect(rotated(hostKeyRotation(known({}, PIN), ['vm0']))).toEqual(['vm0']);
});

it.each([
  ['an unknown host', known(), ['vm11'], 'There is no host vm11; did you mean "vm1"?'],
  ['a parked host', known({ parked }), ['vm1'], 'vm1 is parked, so it keeps its key'],
  [
    'a cluster that is parked as a whole',
    known({ parked: { ...parked, vm0: parked.vm1 } }),
    [],
    'All hosts are parked',
  ],
  ['a host whose key stands in the cluster file', known({}, PIN), [], 'holds vm1 to the key that is to go'],
  ['a cluster that hosts are leaving', known({ former: {} }), [], 'Hosts are still leaving'],
  ['a cluster of which nothing is known', known({ wanted: undefined }), [], 'Nothing is known'],
])('refuses %s', (_, state, names, message) => {
  expect(() => hostKeyRotation(state, names)).toThrow(message);
});
