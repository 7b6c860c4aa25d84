import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseCluster } from '../../src/spec/parse.ts';
import { problemsOf } from './toy.ts';

// What the real roles refuse, on the cluster of the article. What the frame refuses stands in src/spec/parse.test.ts.
const ARTICLE = readFileSync(new URL('../../examples/nodebb.yaml', import.meta.url), 'utf8');

const problems = (text: string) => problemsOf(text, (article) => parseCluster(article, { file: 'cluster.yaml' }));

function changed(from: string, to: string): string {
  expect(ARTICLE).toContain(from);
  return ARTICLE.replace(from, to);
}

const more = (count: number) =>
  Array.from({ length: count }, (_, n) => `  - { name: more${n}, site: ams, address: 192.168.34.${n + 1} }\n`).join('');
const withMore = (count: number) => changed('\nroles:', `${more(count)}\nroles:`);

it.each([
  ['nothing wrong', ARTICLE, []],
  [
    'an unknown key of a role',
    changed('docker: {}', 'docker: { pakage: x }'),
    ['28 roles.docker.pakage: unknown key "pakage"; known here: hosts, source'],
  ],
  [
    'an empty replica set',
    changed('replicaSet: rs0', 'hosts: []'),
    ['30 roles.mongodb.hosts: is empty: wants at least 1'],
  ],
  [
    'an even number of voters',
    changed('replicaSet: rs0', 'hosts: [vm0, vm1]'),
    ['30 roles.mongodb.hosts: warning: 2 voters survive the loss of no more hosts than 1 would'],
  ],
  ['more than 7 voters', withMore(6), ['35 roles.mongodb.hosts: 9 members would vote; a replica set has at most 7']],
  ['7 voters', withMore(4), []],
  [
    'a mesh over the addresses of the hosts',
    changed('\nroles:', '\nnetwork: { range: 192.168.0.0/16 }\nroles:'),
    ['23 hosts[0].address: 192.168.33.10 lies in the range of the mesh, 192.168.0.0/16, and so do 2 more'],
  ],
  [
    'a mesh that is too small',
    changed('\nroles:', '\nnetwork: { range: 10.9.0.0/23 }\nroles:'),
    ['27 network.range: 10.9.0.0/23 has room for 2 hosts (a /24 each), and there are 3'],
  ],
  [
    'a range that is none',
    changed('\nroles:', '\nnetwork: { range: 10.9.0.0/33 }\nroles:'),
    ['27 network.range: wants an IPv4 range such as 10.200.0.0/16, not "10.9.0.0/33"'],
  ],
  [
    'a port out of range',
    changed('replicaSet: rs0', 'port: 70000'),
    ['30 roles.mongodb.port: is 70000: wants at most'],
  ],
  [
    'a forum without a database',
    changed('  mongodb:\n    replicaSet: rs0\n', ''),
    ['29 roles.nodebb: needs roles.mongodb'],
  ],
  [
    'a password where its reference belongs',
    changed('{ env: NODEBB_ADMIN_PASSWORD }', 'password'),
    ['34 roles.nodebb.admin.password: wants a secret by reference, never its value'],
  ],
])('says of %s what it is', (_, text, expected) => {
  const found = problems(text);
  expect(found).toHaveLength(expected.length);
  for (const [n, beginning] of expected.entries()) {
    expect(found[n]?.slice(0, beginning.length + 'cluster.yaml:'.length)).toBe(`cluster.yaml:${beginning}`);
  }
});
