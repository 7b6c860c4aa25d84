import { describe, expect, test } from 'vitest';
import { applied, contextOf, hostAt, network, said } from '../../../test/applied.ts';
import { wireguard } from './index.ts';
import { install, join, key } from './operations.ts';
import { encrypted, meshed } from './proof.ts';
import { type Mesh, peersOf, tunnel } from './tunnel.ts';

const [host, ...others] = [hostAt(0), hostAt(1), hostAt(2, '2001:db8::12')] as const;
const mesh: Mesh = {
  network,
  port: 51820,
  keepalive: 25,
  hosts: Object.fromEntries(
    [host, ...others].map(({ name, index, address }) => [
      name,
      {
        index,
        address,
      },
    ]),
  ),
};
const keys = { vm0: 'k0=', vm1: 'k1=', vm2: 'k2=' };
const facts = { 'wireguard.publicKey': keys };

test('a host is configured by its own addresses and the keys of all others, by index', () => {
  const inAnyOrder = { vm2: 'k2=', vm1: 'k1=', vm0: 'k0=' };
  expect(tunnel(host, mesh, inAnyOrder).file).toBe(`# Written by Farweave.
[Interface]
Address = 10.200.0.254/32
ListenPort = 51820
MTU = 1320
Table = off
PostUp = wg set %i private-key /etc/wireguard/fw0.key
PostUp = ip route replace 10.200.0.0/16 dev %i src 10.200.0.254

# vm1
[Peer]
PublicKey = k1=
Endpoint = 192.0.2.11:51820
AllowedIPs = 10.200.1.0/24
PersistentKeepalive = 25

# vm2
[Peer]
PublicKey = k2=
Endpoint = [2001:db8::12]:51820
AllowedIPs = 10.200.2.0/24
PersistentKeepalive = 25
`);
});

test('a host whose key is not known yet, or that has left, is no peer', () => {
  expect(peersOf(host, mesh, { vm0: 'k0=', vm2: 'k2=', gone: 'k9=' }).map(({ name }) => name)).toEqual(['vm2']);
});

describe('wireguard.install', () => {
  test.each([
    ['wireguard-tools\ntcpdump\nwireguard-go\n', 'yes'],
    ['wireguard-tools\ntcpdump\n', 'no'],
    ['wireguard-go\n', 'no'],
  ])('%j: %s', (stdout, is) => {
    expect(install.judge(said(stdout), host, {}, {})).toMatchObject({ is });
  });
});

describe('wireguard.key', () => {
  test('is published by its public half alone', () => {
    expect(key.judge(said('k0=\n'), host, {}, {})).toEqual({ is: 'yes', facts: { 'wireguard.publicKey': 'k0=' } });
    expect(key.judge(said(''), host, {}, {})).toMatchObject({ is: 'no' });
  });

  test.each([
    ['more than one line', 'k0=\nPostUp = reboot\n'],
    ['a comment', 'k0= # x'],
    ['what no key is made of', '[Interface]'],
    ['too much', 'k'.repeat(300)],
  ])('of %s is no key: it would stand in the configuration of every other host', (_, stdout) => {
    expect(key.judge(said(stdout), host, {}, {})).toMatchObject({ is: 'unknown' });
  });

  test('that came from an older worker, and is none, makes no peer', () => {
    const told = { ...keys, vm1: 'k1=\nPostUp = reboot' };
    expect(peersOf(host, mesh, told).map(({ name }) => name)).toEqual(['vm2']);
    expect(tunnel(host, mesh, told).file).not.toContain('reboot');
  });

  test('is readable by root alone from the moment it is written', () => {
    const { text, saves } = applied(key, host, {});
    expect(text).toContain('( umask 077; wg genkey > /etc/wireguard/fw0.key.farweave-new )');
    expect(saves).toEqual(['/etc/wireguard/fw0.key']);
  });
});

describe('wireguard.join', () => {
  test.each([
    ['', { is: 'yes' }],
    [
      'another configuration\nother peers\n',
      { is: 'no', now: 'another configuration, other peers', wanted: '2 peers on fw0' },
    ],
  ])('%j', (stdout, verdict) => {
    expect(join.judge(said(stdout), host, mesh, facts)).toEqual(verdict);
  });

  test('changes the peers of a tunnel that is up without taking it down, and writes the file last', () => {
    const { text, saves } = applied(join, host, mesh, facts);
    expect(text).toContain('then synced | wg syncconf fw0 /dev/stdin; started=yes');
    expect(text.indexOf('wg syncconf')).toBeLessThan(text.indexOf('/etc/wireguard/fw0.conf.farweave-new'));
    expect(saves).toEqual([
      '/etc/wireguard/fw0.conf',
      '/etc/systemd/system/multi-user.target.wants/wg-quick@fw0.service',
    ]);
  });

  test('never has the private key in a command line', () => {
    expect(applied(join, host, mesh, facts).text).not.toMatch(/\$\((?:cat|<) ?\/etc\/wireguard\/fw0\.key/);
  });
});

describe('wireguard.meshed', () => {
  const now = 1_800_000_000;
  const answer = (lines: readonly string[]) => said([...lines, `now ${now}`, ''].join('\n'));
  const all = ['answer vm1', 'answer vm2', `k1=\t${now - 179}`, `k2=\t${now - 3}`];

  test.each([
    ['every host answers and has shaken hands', all, { is: 'yes' }],
    ['one answers outside of the mesh only', ['alive vm1', ...all.slice(1)], { is: 'no', now: 'no tunnel to vm1' }],
    ['one answers nowhere', all.slice(1), { is: 'yes' }],
    ['nobody answers anywhere', all.slice(2), { is: 'no', now: 'no tunnel to vm1, vm2' }],
    ['a handshake is old', [...all.slice(0, 2), `k1=\t${now - 181}`, all[3]!], { is: 'no', now: 'no tunnel to vm1' }],
    ['hands were never shaken', [...all.slice(0, 2), 'k1=\t0', 'k2=\t0'], { is: 'no', now: 'no tunnel to vm1, vm2' }],
    ['there is no interface', ['none'], { is: 'no', now: 'no tunnel to vm1, vm2' }],
  ])('%s', (_, lines, verdict) => {
    expect(meshed.judge(answer(lines), host, mesh, facts)).toMatchObject(verdict);
  });

  test('misses a host whose key is unknown, though it is up', () => {
    const known = { 'wireguard.publicKey': { vm0: 'k0=', vm1: 'k1=' } };
    const lines = ['answer vm1', 'alive vm2', all[2]!];
    expect(meshed.judge(answer(lines), host, mesh, known)).toMatchObject({ is: 'no', now: 'no tunnel to vm2' });
  });

  test('does without a host that the rollout does without', () => {
    const known = { 'wireguard.publicKey': { vm0: 'k0=', vm1: 'k1=', vm2: '' } };
    expect(meshed.judge(answer(['answer vm1', 'alive vm2', all[2]!]), host, mesh, known)).toEqual({ is: 'yes' });
    expect(JSON.stringify(meshed.probe(host, mesh, known))).not.toContain('look vm2');
  });

  test('asks a host outside of the mesh where its SSH server is', () => {
    const moved = { ...mesh, hosts: { ...mesh.hosts, vm1: { index: 1, address: '192.0.2.11', ssh: 2222 } } };
    expect(JSON.stringify(meshed.probe(host, moved, facts))).toContain('look vm1 10.200.1.254 192.0.2.11 2222');
  });
});

describe('wireguard.encrypted', () => {
  test.each([
    ['only what went past the mesh is seen', 'to vm1\nsent inside\nseen past\n', { is: 'yes' }],
    ['what went through the mesh is seen', 'to vm1\nsent inside\nseen inside\nseen past\n', { is: 'no' }],
    ['nothing is seen at all', 'to vm1\nsent inside\n', { is: 'unknown' }],
    ['nothing comes back through the mesh', 'to vm1\nseen past\n', { is: 'no' }],
    ['nobody is in the mesh', 'nobody\n', { is: 'no', now: 'nobody answers through the mesh' }],
  ])('%s', (_, stdout, verdict) => {
    expect(encrypted.judge(said(stdout), host, mesh, facts)).toMatchObject(verdict);
  });

  test('looks at the tunnel to the next host that answers', () => {
    const asked = (from: typeof host) => JSON.stringify(encrypted.probe(from, mesh, facts));
    expect(asked(host)).toContain('set -- vm1 10.200.1.254 192.0.2.11 vm2 10.200.2.254 2001:db8::12');
    expect(asked(others[0])).toContain('set -- vm2 10.200.2.254 2001:db8::12 vm0 10.200.0.254 192.0.2.10');
  });

  test('a mesh of one has nobody to be listened to by', () => {
    const alone = { ...mesh, hosts: { vm0: mesh.hosts.vm0! } };
    expect(encrypted.judge(said('nobody\n'), host, alone, { 'wireguard.publicKey': {} })).toEqual({ is: 'yes' });
  });
});

describe('the section', () => {
  const problems = (section: object, hosts = [host, ...others]) => {
    const { config, context } = contextOf(wireguard, section, hosts);
    return wireguard.validate!(config, context).map(({ path, message }) => `${path.join('.')}: ${message}`);
  };

  test.each([
    ['the defaults', {}, []],
    [
      'a range that does not begin where ranges of its size do',
      { range: '10.200.1.0/16' },
      ['range: 10.200.1.0/16 does not begin at a multiple of its size'],
    ],
    [
      'subnets as large as the range',
      { range: '10.200.0.0/24' },
      [
        'prefix: a /24 is not a part of 10.200.0.0/24',
        'range: 10.200.0.0/24 has room for 1 hosts, and vm1 is number 2',
      ],
    ],
    ['too many hosts', { range: '10.200.0.0/23' }, ['range: 10.200.0.0/23 has room for 2 hosts, and vm2 is number 3']],
    [
      'a range that the hosts stand in',
      { range: '192.0.0.0/16' },
      [
        'range: vm0 has its own address 192.0.2.10 in 192.0.0.0/16',
        'range: vm1 has its own address 192.0.2.11 in 192.0.0.0/16',
      ],
    ],
    [
      'two hosts at one place',
      { endpoints: { vm0: '198.51.100.1', vm1: '198.51.100.1' } },
      ['endpoints: vm0 and vm1 would both be reached at 198.51.100.1'],
    ],
    ['an endpoint of nobody', { endpoints: { vm7: '192.0.2.17' } }, ['endpoints.vm7: no host is called vm7']],
  ])('%s', (_, section, expected) => {
    expect(problems(section)).toEqual(expected);
  });

  test.each([
    ['a driver that is not there', { driver: 'weave' }],
    ['an address for a range', { range: '10.200.0.0' }],
    ['a port out of range', { port: 70000 }],
    ['an MTU below what IPv6 needs', { mtu: 1000 }],
    ['a domain in capitals', { domain: 'Farweave.Local' }],
    ['a domain with shell characters', { domain: 'a;reboot' }],
    ['an endpoint with a line break', { endpoints: { vm0: '192.0.2.1\nPostUp' } }],
    ['an endpoint with a port of its own', { endpoints: { vm0: '192.0.2.1:51821' } }],
    ['a misspelt key', { portt: 1 }],
  ])('refuses %s', (_, section) => {
    expect(wireguard.config.safeParse(section).success).toBe(false);
  });

  test('says where hosts reach each other, if not where SSH does', () => {
    const { config, context } = contextOf(wireguard, { endpoints: { vm1: '10.9.9.9' } }, [host, ...others]);
    const stage = wireguard.stages(config, context).find(({ operation }) => operation === join.name);
    expect(stage?.args).toMatchObject({ hosts: { vm0: { address: '192.0.2.10' }, vm1: { address: '10.9.9.9' } } });
  });

  test('proves encryption only where something has changed', () => {
    const { config, context } = contextOf(wireguard, {}, [host]);
    const proofs = wireguard.stages(config, context).filter(({ afterChange }) => afterChange);
    expect(proofs.map(({ operation }) => operation)).toEqual([encrypted.name]);
  });
});
