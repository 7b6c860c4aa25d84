import { expect, it } from 'vitest';
import * as z from 'zod';
import { toys } from '../../test/unit/toy.ts';
import type { Role } from '../roles/role.ts';
import { initialCluster } from './init.ts';
import { parseCluster } from './parse.ts';

const names = ['docker', 'dns', 'mongodb', 'nodebb'];
const plain = names.map((name): Role => ({ name, config: z.strictObject({}), operations: [], stages: () => [] }));
const parse = (text: string) => parseCluster(text, { file: 'cluster.yaml', roles: [...toys, ...plain] }).cluster;

it('makes a file that parses from addresses alone, with a site for each', () => {
  const cluster = parse(
    initialCluster(['vagrant@192.168.33.10', 'vagrant@192.168.33.11:2222', 'root@db.example.org'], { name: 'forum' }),
  );
  expect(cluster.name).toBe('forum');
  expect(cluster.hosts.map(({ name, site, user, address, port }) => [name, site, user, address, port])).toEqual([
    ['host0', 'site0', 'vagrant', '192.168.33.10', 22],
    ['host1', 'site1', 'vagrant', '192.168.33.11', 2222],
    ['host2', 'site2', 'root', 'db.example.org', 22],
  ]);
  expect(Object.keys(cluster.sections)).toEqual(['mesh', ...names]);
});

it.each([
  ['10.0.0.1', 'root', '10.0.0.1', 22],
  ['me@fd00::1', 'me', 'fd00::1', 22],
  ['me@[fd00::1]:2222', 'me', 'fd00::1', 2222],
  ['me@[fd00::1]', 'me', 'fd00::1', 22],
])('reads %s', (target, user, address, port) => {
  expect(parse(initialCluster([target], { name: 'x', site: 'on' })).hosts).toMatchObject([
    { user, address, port, site: 'on' },
  ]);
});

it.each([
  ['me@10.0.0.1:99999', 'hosts[0].port: is 99999: wants at most 65535'],
  ['me@10.0.0.1:ssh', 'hosts[0].port: wants a number, not "ssh"'],
  ['me@10.0.0.1:', 'hosts[0].port: wants a number, not ""'],
  ['me@;reboot', 'hosts[0].address: wants an IPv4 address, an IPv6 address or a DNS name'],
  ['a b@10.0.0.1', 'access.user: wants a login name'],
  ['me@a: b', 'hosts[0].port: wants a number, not " b"'],
])('leaves it to the schema to refuse %s', (target, message) => {
  expect(() => parse(initialCluster([target], { name: 'x' }))).toThrow(message);
});
