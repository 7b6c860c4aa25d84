import { describe, expect, it } from 'vitest';
import { changeHosts, type HostChange } from './change.ts';
import { parseCluster } from './parse.ts';

const text = `# Our forum.
apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: forum }
sites: { ams: {}, fra: {} } # two data centers
access: { password: { env: PASSWORD } }
hosts:
  - name: vm0 # the first
    site: ams
    address: 192.0.2.10
  - { name: vm1, site: fra, address: 192.0.2.11 }
  - { name: vm2, site: fra, address: 192.0.2.12, password: { env: VM2 } }
network: { endpoints: { vm2: vm2.example.org } }
roles:
  docker: {}
  mongodb:
    hosts: [vm0, vm1, vm2]
  nodebb: {}
`;
const vm3 = { name: 'vm3', site: 'ams', address: '192.0.2.13' };
const read = (changed: string) => parseCluster(changed, { file: 'cluster.yaml' }).cluster;
const namesIn = (changed: string) => read(changed).hosts.map(({ name }) => name);
const membersIn = (changed: string) => (read(changed).sections['mongodb'] as { hosts: string[] }).hosts;

it('puts a host behind the others, and into the lists that it is to join', () => {
  const { text: plain, before } = changeHosts(text, { add: [vm3] });
  expect(before).toBe(text);
  expect(namesIn(plain)).toEqual(['vm0', 'vm1', 'vm2', 'vm3']);
  expect(membersIn(plain)).toEqual(['vm0', 'vm1', 'vm2']);
  expect(membersIn(changeHosts(text, { add: [{ ...vm3, roles: ['mongodb'] }] }).text)).toContain('vm3');
});

it('keeps comments', () => {
  const { text: changed } = changeHosts(text, { add: [vm3] });
  for (const comment of ['# Our forum.', '# two data centers', '# the first']) expect(changed).toContain(comment);
});

it('takes a host out of everything that names it', () => {
  const { text: changed } = changeHosts(text, { remove: ['vm2'] });
  expect(namesIn(changed)).toEqual(['vm0', 'vm1']);
  expect(changed).not.toContain('vm2');
});

it('replaces a host by one of another name in the same lists', () => {
  const { text: changed, renamed } = changeHosts(text, { replace: 'vm0', with: vm3 });
  expect(namesIn(changed)).toEqual(['vm1', 'vm2', 'vm3']);
  expect(membersIn(changed)).toEqual(['vm1', 'vm2', 'vm3']);
  expect(renamed).toBeUndefined();
});

it('gives the name of a host to the machine that takes its place, and the old one another for what is left of its life', () => {
  const by = { name: 'vm2', site: 'ams', address: '192.0.2.99' };
  const { text: changed, before, renamed } = changeHosts(text, { replace: 'vm2', with: by });
  expect(renamed).toEqual({ from: 'vm2', to: 'vm2-old' });
  expect(read(changed).hosts.find(({ name }) => name === 'vm2')?.address).toBe('192.0.2.99');
  expect(membersIn(changed)).toEqual(['vm0', 'vm1', 'vm2']);
  expect(read(before).hosts.find(({ name }) => name === 'vm2-old')?.address).toBe('192.0.2.12');
  expect(membersIn(before)).toEqual(['vm0', 'vm1', 'vm2-old']);
  expect(before).toContain('vm2-old: vm2.example.org');
});

describe('refuses', () => {
  it.each<[string, HostChange, string]>([
    ['a host that is there', { add: [{ ...vm3, name: 'vm1' }] }, 'vm1 is there already'],
    ['a host that is not', { remove: ['vm4'] }, 'there is no host vm4; did you mean "vm0"?'],
    ['to take the last one out', { remove: ['vm0', 'vm1', 'vm2'] }, 'farweave destroy takes a whole cluster away'],
    ['a replacement that is there', { replace: 'vm0', with: { ...vm3, name: 'vm1' } }, 'vm1 is there already'],
    ['a role that is not', { add: [{ ...vm3, roles: ['redis'] }] }, 'there is no role redis for vm3 to join'],
  ])('%s', (_, change, message) => {
    expect(() => changeHosts(text, change)).toThrow(message);
  });
});
