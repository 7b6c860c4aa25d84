import { describe, expect, test } from 'vitest';
import { applied, contextOf, hostAt, network as mesh, said } from '../../../test/applied.ts';
import { forwarding, network } from './bridge.ts';
import { configure, install, repository, unrivalled } from './engine.ts';
import { docker } from './index.ts';

const host = hostAt(3);

describe('docker.unrivalled', () => {
  test.each([
    ['distribution', '', { is: 'yes' }],
    ['docker', '', { is: 'yes' }],
    ['distribution', 'docker-ce\n', { is: 'no', now: 'docker-ce is installed' }],
    ['docker', 'docker.io\n', { is: 'no', now: 'docker.io is installed' }],
    ['docker', 'the snap of Docker\n', { is: 'no', now: 'the snap of Docker is installed' }],
  ] as const)('from %s, where there is %j', (source, stdout, verdict) => {
    expect(unrivalled.judge(said(stdout), host, { source }, {})).toMatchObject(verdict);
  });
});

describe('docker.install', () => {
  test.each([
    ['distribution', 'docker.io\ncli\napparmor\n', { is: 'yes' }],
    ['distribution', 'docker.io\napparmor\n', { is: 'no', now: 'without cli' }],
    ['distribution', 'docker.io\ncli\n', { is: 'no', now: 'without apparmor' }],
    ['distribution', 'docker-ce\ncli\napparmor\n', { is: 'no', now: 'without docker.io' }],
    ['docker', 'docker-ce\ndocker-ce-cli\ncontainerd.io\ncli\napparmor\n', { is: 'yes' }],
  ] as const)('from %s, where there is %j', (source, stdout, verdict) => {
    expect(install.judge(said(stdout), host, { source }, {})).toMatchObject(verdict);
  });

  test('takes the command line that Debian 13 packages apart along', () => {
    expect(applied(install, host, { source: 'distribution' }).text).toContain('packages="$packages docker-cli"');
    expect(applied(install, host, { source: 'docker' }).text).not.toContain('$packages docker-cli');
  });
});

test("Docker's repository is trusted by one key, which must be the one that is known", () => {
  const { text, saves } = applied(repository, host, { url: 'https://mirror.test/linux', keySha256: 'ab12' });
  expect(text).toContain("echo 'ab12  /etc/apt/keyrings/farweave-docker.asc.farweave-new' | sha256sum --check");
  expect(text.indexOf('sha256sum')).toBeLessThan(text.indexOf('mv -f /etc/apt/keyrings'));
  expect(text).toContain('Signed-By: /etc/apt/keyrings/farweave-docker.asc');
  expect(saves).toHaveLength(2);
});

describe('docker.configure', () => {
  test.each([
    ['', 'yes'],
    ['not started with its configuration\n', 'no'],
    ['another configuration\nnot running\n', 'no'],
  ])('where %j is amiss: %s', (stdout, is) => {
    expect(configure.judge(said(stdout), host, { daemon: {} }, {})).toMatchObject({ is });
  });

  test('restarts the engine only where it was not started with what is wanted', () => {
    const { text, saves } = applied(configure, host, { daemon: { mtu: 1320 } });
    expect(text).toMatch(
      /if ! cmp -s \/etc\/docker\/daemon.json \/run\/farweave-docker.json \|\| .*; then\n {2}systemctl restart docker/,
    );
    expect(saves).toEqual(['/etc/docker/daemon.json', '/etc/systemd/system/docker.service.d/farweave.conf']);
  });

  test('keeps containers up and logs short, and takes registries from the spec', () => {
    const { config, context } = contextOf(
      docker,
      { insecureRegistries: ['10.0.0.1:5000'], mirrors: ['https://mirror.test'], settings: { ipv6: false } },
      [host],
    );
    const stage = docker.stages(config, context).find(({ operation }) => operation === configure.name);
    expect(stage?.args).toEqual({
      daemon: {
        'live-restore': true,
        mtu: 1320,
        'log-driver': 'json-file',
        'log-opts': { 'max-size': '10m', 'max-file': '3' },
        'registry-mirrors': ['https://mirror.test'],
        'insecure-registries': ['10.0.0.1:5000'],
        ipv6: false,
      },
    });
  });
});

describe('docker.network', () => {
  const shown = (changes: object = {}, options: object = {}) =>
    said(
      JSON.stringify({
        Driver: 'bridge',
        IPAM: { Config: [{ Subnet: '10.200.3.0/24', Gateway: '10.200.3.1' }] },
        Options: {
          'com.docker.network.bridge.name': 'farweave0',
          'com.docker.network.bridge.enable_ip_masquerade': 'false',
          'com.docker.network.bridge.trusted_host_interfaces': 'fw0',
          'com.docker.network.driver.mtu': '1320',
          ...options,
        },
        ...changes,
      }),
    );

  test.each([
    ['as wanted', shown(), { is: 'yes' }],
    ['with an option more', shown({}, { 'com.docker.network.bridge.inhibit_ipv4': 'false' }), { is: 'yes' }],
    ['absent', said('no such network\n'), { is: 'no', now: 'no such network' }],
    ['without an engine', said('Docker does not run\n'), { is: 'no', now: 'Docker does not run' }],
    [
      'on another subnet',
      shown({ IPAM: { Config: [{ Subnet: '172.18.0.0/16' }] } }),
      { is: 'no', now: 'subnet 172.18.0.0/16' },
    ],
    [
      'with another MTU',
      shown({}, { 'com.docker.network.driver.mtu': '1500' }),
      { is: 'no', now: 'com.docker.network.driver.mtu 1500' },
    ],
    ['without options', shown({ Options: null }), { is: 'no', now: 'com.docker.network.bridge.name missing' }],
    ['in a shape that nobody knows', said('{"Driver":1}'), { is: 'unknown' }],
  ])('%s', (_, output, verdict) => {
    expect(network.judge(output, host, { network: mesh }, {})).toMatchObject(verdict);
  });

  test("has the host's own subnet and gateway", () => {
    expect(applied(network, host, { network: mesh }).text).toContain(
      'docker network create --driver bridge --subnet 10.200.3.0/24 --gateway 10.200.3.1',
    );
  });
});

describe('docker.forwarding', () => {
  const { text, saves } = applied(forwarding, host, { network: mesh });

  test.each([
    ['lets the mesh in past the filters of Docker 28', '-A FARWEAVE -i fw0 -d 10.200.3.0/24 -j ACCEPT'],
    ['lets the mesh reach containers', '-A FARWEAVE -i fw0 -o farweave0 -j ACCEPT'],
    ['lets containers reach the mesh', '-A FARWEAVE -i farweave0 -o fw0 -j ACCEPT'],
    [
      'lets nobody else in',
      '-A FARWEAVE ! -i farweave0 -o farweave0 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
    ],
    [
      'hides containers behind the host outside of the mesh',
      '-A FARWEAVE -s 10.200.3.0/24 ! -d 10.200.0.0/16 -j MASQUERADE',
    ],
  ])('%s', (_, rule) => {
    expect(text).toContain(rule);
    expect(JSON.stringify(forwarding.probe(host, { network: mesh }, {}))).toContain(rule.replace('-A', '-C'));
  });

  test('comes back whenever Docker starts', () => {
    expect(text).toContain('PartOf=docker.service');
    expect(text).toContain('WantedBy=docker.service');
  });

  test('can be taken back whole', () => {
    expect(saves).toEqual([
      '/etc/sysctl.d/60-farweave.conf',
      '/etc/farweave/forwarding',
      '/etc/systemd/system/farweave-forwarding.service',
      '/etc/systemd/system/docker.service.wants/farweave-forwarding.service',
    ]);
  });
});

test.each([
  ['a source that nobody knows', { source: 'snap' }],
  ['a misspelt key', { mirror: [] }],
  ['a registry with a scheme', { insecureRegistries: ['http://10.0.0.1:5000'] }],
  ['a mirror without one', { mirrors: ['mirror.test'] }],
  ['a size in words', { logs: { maxSize: 'ten megabytes' } }],
  ['half a hash', { repository: { keySha256: 'abc' } }],
])('the section refuses %s', (_, section) => {
  expect(docker.config.safeParse(section).success).toBe(false);
});
