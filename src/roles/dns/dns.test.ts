import { describe, expect, test } from 'vitest';
import { applied, contextOf, hostAt, network, said } from '../../../test/applied.ts';
import { docker } from '../docker/index.ts';
import { joining, SLOTS } from '../network.ts';
import type { Role } from '../role.ts';
import { dns } from './index.ts';
import { answers, serve } from './operations.ts';

const host = hostAt(1);
const args = { network, names: { node0: ['10.200.0.10'], nodebb: ['10.200.0.20', '10.200.1.20'] } };

describe('dns.serve', () => {
  const { text, saves } = applied(serve, host, args);

  test('serves every name under the domain, on the bridge alone', () => {
    expect(text).toContain(
      '10.200.0.10 node0.farweave.local\n10.200.0.20 nodebb.farweave.local\n10.200.1.20 nodebb.farweave.local\n',
    );
    expect(text).toContain('listen-address=10.200.1.1\nbind-dynamic\n');
    expect(text).toContain('local=/farweave.local/\n');
  });

  test('is what containers ask, by a file that they mount', () => {
    expect(text).toContain('nameserver 10.200.1.1\nsearch farweave.local\n');
    expect(joining(network, host, 'node1', SLOTS.mongodb)).toContain(
      '--mount=type=bind,source=/etc/farweave/resolv.conf,target=/etc/resolv.conf,readonly',
    );
  });

  test('runs what it was started with, so that a change shows until it is started anew', () => {
    expect(text).toContain('ExecStartPre=/bin/cp /etc/farweave/dns.conf /etc/farweave/dns.hosts /run/farweave-dns/');
    expect(JSON.stringify(serve.probe(host, args, {}))).toContain(
      'cmp -s /etc/farweave/dns.hosts /run/farweave-dns/dns.hosts',
    );
  });

  test('can be taken back whole', () => {
    expect(saves).toEqual([
      '/etc/farweave/dns.conf',
      '/etc/farweave/dns.hosts',
      '/etc/farweave/resolv.conf',
      '/etc/systemd/system/farweave-dns.service',
      '/etc/systemd/system/multi-user.target.wants/farweave-dns.service',
    ]);
  });

  test.each([
    ['', { is: 'yes' }],
    ['other names\n', { is: 'no', now: 'other names', wanted: '2 names under farweave.local' }],
  ])('where %j is amiss', (stdout, verdict) => {
    expect(serve.judge(said(stdout), host, args, {})).toEqual(verdict);
  });
});

describe('dns.answers', () => {
  const header = 'Using domain server:\nName: 10.200.1.1\nAddress: 10.200.1.1#53\nAliases: \n\n';
  const [node0, nodebb0, nodebb1] = [
    'node0.farweave.local has address 10.200.0.10\n',
    'nodebb.farweave.local has address 10.200.0.20\n',
    'nodebb.farweave.local has address 10.200.1.20\n',
  ] as const;

  test.each([
    ['every address in any order', header + node0 + nodebb1 + nodebb0, { is: 'yes' }],
    ['one address of two', header + node0 + nodebb1, { is: 'no', now: 'no answer for nodebb' }],
    ['an address of another name', header + nodebb0 + nodebb1, { is: 'no', now: 'no answer for node0' }],
    ['nothing', '', { is: 'no', now: 'no answer for node0' }],
  ])('%s', (_, stdout, verdict) => {
    expect(answers.judge(said(stdout), host, args, {})).toMatchObject(verdict);
  });
});

describe('the section', () => {
  const hosts = [hostAt(0), host];
  const records = hosts.map(({ index }) => ({ name: 'nodebb', address: `10.200.${index}.20` }));

  test('gathers the addresses of a name, and adds those of the spec', () => {
    const { config, context } = contextOf(dns, { records: { api: ['10.200.0.30'] } }, hosts, [docker as Role], records);
    const stage = dns.stages(config, context).find(({ operation }) => operation === serve.name);
    expect(stage?.args).toMatchObject({ names: { nodebb: ['10.200.0.20', '10.200.1.20'], api: ['10.200.0.30'] } });
  });

  test('has nothing to do where there are no containers', () => {
    const { config, context } = contextOf(dns, {}, hosts);
    expect(dns.stages(config, context)).toEqual([]);
  });

  test('does not take the name of a container', () => {
    const { config, context } = contextOf(dns, { records: { nodebb: ['10.0.0.1'] } }, hosts, [docker as Role], records);
    expect(dns.validate!(config, context)).toMatchObject([{ severity: 'error', path: ['records', 'nodebb'] }]);
  });

  test.each([
    ['a name with a dot', { records: { 'a.b': ['10.0.0.1'] } }],
    ['a name with a line break', { records: { 'a\nserver=1.1.1.1': ['10.0.0.1'] } }],
    ['an address that is none', { records: { a: ['10.0.0'] } }],
    ['no address', { records: { a: [] } }],
  ])('refuses %s', (_, section) => {
    expect(dns.config.safeParse(section).success).toBe(false);
  });
});
