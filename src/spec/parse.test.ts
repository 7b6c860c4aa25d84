import { expect, it } from 'vitest';
import { parseToy as parse, problemsOf as problems, TOY } from '../../test/unit/toy.ts';

/** The toy's text with one place changed. */
function changed(from: string, to: string): string {
  expect(TOY).toContain(from);
  return TOY.replace(from, to);
}

it('reads a cluster, with what access says for all hosts and what the roles default to', () => {
  const { cluster, warnings } = parse(TOY);
  expect(warnings).toEqual([]);
  expect(cluster).toMatchObject({
    name: 'toy',
    sites: { ams: { timezone: 'Europe/Amsterdam' }, fra: {} },
    sections: { mesh: { port: 51820 }, store: { package: 'store-server', voters: 3 } },
    network: { range: '10.200.0.0/16' },
    rollout: { onFailure: 'pause', budget: 0 },
  });
  expect(cluster.hosts.map(({ name, user, port, access }) => [name, user, port, access])).toEqual([
    ['vm0', 'vagrant', 22, { password: 'access.password' }],
    ['vm1', 'vagrant', 22, { password: 'access.password' }],
    ['vm2', 'vagrant', 2222, { password: 'access.vm2.password' }],
  ]);
  expect(cluster.secrets).toEqual({
    'access.password': { env: 'TOY_PASSWORD' },
    'access.vm2.password': { file: 'vm2.txt' },
    'store.password': { generate: { length: 24, alphabet: 'alphanumeric' } },
    'store.keyFile': { generate: { length: 741, alphabet: 'base64' } },
  });
});

it('takes a value that was sealed for the workers as it is, with or without armor', () => {
  const file = Buffer.from('age-encryption.org/v1\n-> X25519 abc\nx\n--- y\n\u0000');
  const age = file.toString('base64');
  const armored = `-----BEGIN AGE ENCRYPTED FILE-----\n${age.slice(0, 20)}\n${age.slice(20)}\n-----END AGE ENCRYPTED FILE-----\n`;
  for (const text of [age, JSON.stringify(armored)]) {
    const { cluster } = parse(changed('{ env: TOY_PASSWORD }', `{ age: ${text} }`));
    expect(cluster.secrets['access.password']).toEqual({ age });
  }
});

it('gives hosts what their site says of the way to it, and others nothing', () => {
  const { cluster } = parse(changed('fra: {}', 'fra: { workers: own, limits: { sessions: 20, startsPerSecond: 5 } }'));
  const reach = cluster.hosts.map(({ site, workers, limits }) => ({ site, workers, limits }));
  const inFra = { site: 'fra', workers: 'own', limits: { sessions: 20, startsPerSecond: 5 } };
  expect(reach.filter(({ site }) => site === 'fra')).toEqual([inFra]);
  const shared = parse(changed('fra: {}', 'fra: { workers: shared }')).cluster.hosts;
  expect(shared).toEqual(parse(TOY).cluster.hosts);
  expect(Object.keys(shared[0]!)).not.toContain('workers');
});

it('reads how a rollout goes about its hosts', () => {
  const window = 'window: { days: [fri, mon, fri], from: 22:00, to: 04:00 }';
  const text = `${changed('fra: {}', `fra: { timezone: Europe/Berlin, ${window} }`)}
rollout:
  canary: 1
  waves: { perSite: 25%, sites: 1 }
  soak: 5m
  approval: { before: rest }
  budget: 10%
  onFailure: rollback
`;
  const { sites, rollout } = parse(text).cluster;
  expect(sites.fra).toEqual({ timezone: 'Europe/Berlin', window: { days: [1, 5], from: '22:00', to: '04:00' } });
  expect(rollout).toEqual({
    canary: 1,
    waves: { perSite: '25%', sites: 1 },
    soak: 300_000,
    approval: { before: 'rest', expires: 86_400_000 },
    budget: '10%',
    onFailure: 'rollback',
  });
});

it('takes no passphrase of the key for all with the key of one host, and sudo of its own', () => {
  const text = changed(
    '  password: { env: TOY_PASSWORD }',
    '  privateKey: { file: a }\n  passphrase: { env: A }\n  sudo: { password: { env: S } }',
  ).replace('password: { file: vm2.txt }', 'privateKey: { file: b }');
  const { hosts } = parse(text).cluster;
  expect(hosts[0]?.access).toEqual({
    privateKey: 'access.privateKey',
    passphrase: 'access.passphrase',
    sudoPassword: 'access.sudoPassword',
  });
  expect(hosts[2]?.access).toEqual({ privateKey: 'access.vm2.privateKey', sudoPassword: 'access.sudoPassword' });
});

it.each([
  [
    'an unknown key',
    changed('package: store', 'pakage: store'),
    ['25 roles.store.pakage: unknown key "pakage"; did you mean "package"?'],
  ],
  [
    'an unknown key that is like none',
    changed('package: store', 'colour: store'),
    ['25 roles.store.colour: unknown key "colour"; known here: package, hosts, voters, password, mode, copies'],
  ],
  [
    'an unknown key of a host',
    changed('    port: 2222', '    prot: 2222'),
    ['21 hosts[2].prot: unknown key "prot"; did you mean "port"?'],
  ],
  ['an unknown role', changed('  store:', '  stor:'), ['24 roles.stor: unknown key "stor"; did you mean "store"?']],
  ['an unknown key at the top', `${TOY}role: {}\n`, ['26 role: unknown key "role"; did you mean "roles"?']],
  ['a wrong type', changed('2222', '"2222"'), ['21 hosts[2].port: wants a number, not "2222"']],
  [
    'a mapping that is empty',
    changed('    package: store-server\n', ''),
    ['24 roles.store: wants a mapping (key: value), not nothing (write {} for all defaults)'],
  ],
  [
    'a wrong choice',
    changed('package: store-server', 'mode: faast'),
    ['25 roles.store.mode: wants "fast" or "safe", not "faast"; did you mean "fast"?'],
  ],
  [
    'what is none of several things',
    changed('package: store-server', 'copies: few'),
    ['25 roles.store.copies: wants "all" or a number, not "few"'],
  ],
  [
    'one of several things that is out of range',
    changed('package: store-server', 'copies: 0'),
    ['25 roles.store.copies: is 0: wants at least 1'],
  ],
  [
    'a doubled host name',
    changed('name: vm2', 'name: vm0'),
    ['18 hosts[2].name: vm0 is taken already, by another host'],
  ],
  [
    'a doubled address',
    changed('192.168.33.11', '192.168.33.10'),
    ['17 hosts[1].address: 192.168.33.10 port 22 is taken already, by vm0'],
  ],
  ['one address with two ports', changed('192.168.33.12', '192.168.33.10'), []],
  [
    'an unknown site',
    changed('site: fra', 'site: frra'),
    ['19 hosts[2].site: unknown site "frra"; did you mean "fra"?'],
  ],
  [
    'hosts without a credential',
    changed('  password: { env: TOY_PASSWORD }\n', ''),
    [
      '11 hosts[0]: no way to log in to vm0: give password or privateKey here or under access, by reference such as { env: FARWEAVE_PASSWORD }, or agent: true',
      '14 hosts[1]: no way to log in to vm1: give password or privateKey here or under access, by reference such as { env: FARWEAVE_PASSWORD }, or agent: true',
    ],
  ],
  [
    'a password for doas, which takes none',
    changed('port: 2222', 'become: doas\n    sudo: { password: { env: P } }'),
    ['22 hosts[2].sudo: is of no use to doas, which must not ask for a password (permit nopass)'],
  ],
  [
    'a password instead of a reference',
    changed('{ env: TOY_PASSWORD }', 'hunter2'),
    [
      '10 access.password: wants a secret by reference, never its value: { env: NAME }, { file: PATH }, { command: [CLI, …] }, { worker: ENTRY } or { age: SEALED }',
    ],
  ],
  [
    'a reference to a variable that cannot be',
    changed('TOY_PASSWORD', 'TOY PASSWORD'),
    ['10 access.password.env: wants the name of an environment variable'],
  ],
  [
    'a sealed value that is none',
    changed('{ env: TOY_PASSWORD }', '{ age: hunter2 }'),
    ['10 access.password.age: wants a value that was sealed for the workers: what farweave secrets seal prints'],
  ],
  [
    'a value that a passphrase opens, which workers do not have',
    changed(
      '{ env: TOY_PASSWORD }',
      `{ age: ${Buffer.from('age-encryption.org/v1\n-> scrypt abc 18\nx\n--- y\n').toString('base64')} }`,
    ),
    ['10 access.password.age: wants a value that was sealed for the workers: what farweave secrets seal prints'],
  ],
  [
    'a passphrase without a key',
    changed('  password: { env', '  passphrase: { env: A }\n  password: { env'),
    ['10 access.passphrase: there is no privateKey beside it that it could open'],
  ],
  [
    'an empty list of hosts for a role',
    changed('package: store-server', 'hosts: []'),
    ['25 roles.store.hosts: is empty: wants at least 1'],
  ],
  [
    'an unknown host for a role',
    changed('package: store-server', 'hosts: [vm0, vm9]'),
    ['25 roles.store.hosts[1]: unknown host "vm9"; did you mean "vm0"?'],
  ],
  [
    'what a role warns of',
    changed('package: store-server', 'voters: 4'),
    ['25 roles.store.voters: warning: 4 voters stand no more failures than 3'],
  ],
  [
    'what a role refuses',
    changed('package: store-server', 'voters: 9'),
    ['25 roles.store.voters: at most 7 members may vote'],
  ],
  [
    'a host inside of the mesh',
    changed('192.168.33.11', '10.200.3.1'),
    ['17 hosts[1].address: 10.200.3.1 lies in the range of the mesh, 10.200.0.0/16; choose another network.range'],
  ],
  [
    'a mesh with too little room',
    `${TOY}network: { range: 10.9.0.0/23 }\n`,
    ['26 network.range: 10.9.0.0/23 has room for 2 hosts (a /24 each), and there are 3'],
  ],
  [
    'a range that is none',
    `${TOY}network: { range: ten }\n`,
    ['26 network.range: wants an IPv4 range that holds subnets of /24, such as 10.200.0.0/16'],
  ],
  ['a port out of range', changed('2222', '65536'), ['21 hosts[2].port: is 65536: wants at most 65535']],
  ['a port of zero', changed('2222', '0'), ['21 hosts[2].port: is 0: wants at least 1']],
  [
    'a name with shell characters',
    changed('name: vm1', 'name: "vm1;reboot"'),
    [
      '15 hosts[1].name: wants a name of lower-case letters, digits and dashes that begins with a letter, 31 characters at most',
    ],
  ],
  [
    'a site with shell characters',
    changed('fra: {}', '"$(x)": {}'),
    [
      '7 sites.$(x): wants a name of lower-case letters, digits and dashes that begins with a letter, 31 characters at most',
      '19 hosts[2].site: unknown site "fra"; there are ams, $(x)',
    ],
  ],
  [
    'a cluster with shell characters',
    changed('name: toy', 'name: to`y'),
    [
      '4 metadata.name: wants a name of lower-case letters, digits and dashes that begins with a letter, 31 characters at most',
    ],
  ],
  ['a user with shell characters', changed('user: vagrant', 'user: "a b"'), ['9 access.user: wants a login name']],
  [
    'an address with shell characters',
    changed('192.168.33.11', '"-oProxyCommand=x"'),
    ['17 hosts[1].address: wants an IPv4 address, an IPv6 address or a DNS name'],
  ],
  [
    'an address that is mistyped',
    changed('192.168.33.11', '192.168.33.311'),
    ['17 hosts[1].address: wants an IPv4 address, an IPv6 address or a DNS name'],
  ],
  [
    'a time zone that is none',
    changed('Europe/Amsterdam', 'Europe/Amsterdm'),
    ['6 sites.ams.timezone: wants an IANA time zone such as Europe/Amsterdam'],
  ],
  [
    'workers and limits of a site that are none',
    changed('fra: {}', 'fra: { workers: mine, limits: { sessions: 0, perSecond: 5 } }'),
    [
      '7 sites.fra.workers: wants "shared" or "own", not "mine"',
      '7 sites.fra.limits.sessions: is 0: wants at least 1',
      '7 sites.fra.limits.perSecond: unknown key "perSecond"; known here: sessions, startsPerSecond',
    ],
  ],
  [
    'limits of a site that say nothing',
    changed('fra: {}', 'fra: { limits: {} }'),
    ['7 sites.fra.limits: wants sessions, startsPerSecond or both'],
  ],
  [
    'a window without a time zone',
    changed('fra: {}', 'fra: { window: { from: 22:00, to: 04:00 } }'),
    ["7 sites.fra.window: wants the site's time zone beside it, such as timezone: Europe/Amsterdam"],
  ],
  [
    'a window by a time zone that is none',
    changed('fra: {}', 'fra: { timezone: CEST/Frankfurt, window: { from: 22:00, to: 04:00 } }'),
    ['7 sites.fra.timezone: wants an IANA time zone such as Europe/Amsterdam'],
  ],
  [
    'a window on days and at times that are none',
    changed('fra: {}', 'fra: { timezone: UTC, window: { days: [mon, wen], from: 9:00, to: 24:00 } }'),
    [
      '7 sites.fra.window.days[1]: wants "sun" or "mon" or "tue" or "wed" or "thu" or "fri" or "sat", not "wen"; did you mean "wed"?',
      '7 sites.fra.window.from: wants a time from 00:00 to 23:59, such as 22:00',
      '7 sites.fra.window.to: wants a time from 00:00 to 23:59, such as 22:00',
    ],
  ],
  [
    'a window that never opens',
    changed('fra: {}', 'fra: { timezone: UTC, window: { days: [], from: 09:00, to: 17:00 } }'),
    ['7 sites.fra.window.days: is empty: wants at least 1'],
  ],
  ...['0', '-1', '1.5', '0%', '120%', '5.5%', '"25"', 'all', 'true'].map((amount): [string, string, string[]] => [
    `waves of ${amount}`,
    `${TOY}rollout: { waves: { perSite: ${amount} } }\n`,
    ['26 rollout.waves.perSite: wants a whole number of at least 1, or a percentage from 1% to 100% such as 25%'],
  ]),
  ['waves of nothing', `${TOY}rollout: { waves: {} }\n`, ['26 rollout.waves: wants perSite, sites or both']],
  ...['-1', '101%', 'some'].map((budget): [string, string, string[]] => [
    `a budget of ${budget}`,
    `${TOY}rollout: { budget: ${budget} }\n`,
    ['26 rollout.budget: wants a whole number, or a percentage from 0% to 100% such as 10%'],
  ]),
  ...['90', '0s', '5 m', '1h30m', '-5m'].map((soak): [string, string, string[]] => [
    `a soak of ${soak}`,
    `${TOY}rollout: { canary: 1, soak: ${soak} }\n`,
    ['26 rollout.soak: wants a duration such as 90s, 5m, 24h or 2d'],
  ]),
  [
    'a soak between waves that there are not',
    `${TOY}rollout: { soak: 5m }\n`,
    ['26 rollout.soak: warning: is never waited for: all hosts go at once. Say rollout.canary or rollout.waves'],
  ],
  [
    'an approval of the rest of all',
    `${TOY}rollout: { approval: { before: rest } }\n`,
    [
      '26 rollout.approval.before: there is no rest: all hosts go at once. Say rollout.canary or rollout.waves, or before: start',
    ],
  ],
  [
    'an approval that does not say of what',
    `${TOY}rollout: { approval: {} }\n`,
    ['26 rollout.approval.before: is missing: wants "start" or "rest"'],
  ],
  [
    'an approval that is waited for too long',
    `${TOY}rollout: { approval: { before: start, expires: 900d } }\n`,
    ['26 rollout.approval.expires: is too long: wants at most 30d'],
  ],
  ...['3', '100%'].map((canary): [string, string, string[]] => [
    `a canary of ${canary} where there are 3`,
    `${TOY}rollout: { canary: ${canary} }\n`,
    ['26 rollout.canary: warning: is every host there is: no other follows it'],
  ]),
  [
    'an unknown thing to do after a failure',
    `${TOY}rollout: { onFailure: stop }\n`,
    ['26 rollout.onFailure: wants "pause" or "rollback" or "continue", not "stop"'],
  ],
  [
    'a wrong apiVersion',
    changed('dev/v1', 'dev/v2'),
    ['1 apiVersion: wants "farweave.dev/v1", not "farweave.dev/v2"; did you mean "farweave.dev/v1"?'],
  ],
  ['a wrong kind', changed('kind: Cluster', 'kind: Pod'), ['2 kind: wants "Cluster", not "Pod"']],
  ['a missing kind', changed('kind: Cluster\n', ''), ['1 kind: is missing: wants "Cluster"']],
  ['a missing address', changed('    address: 192.168.33.11\n', ''), ['15 hosts[1].address: is missing: wants a text']],
  ['no hosts', `${TOY.slice(0, TOY.indexOf('hosts:'))}hosts: []\n`, ['11 hosts: is empty: wants at least 1']],
  ['a doubled key', changed('  user: vagrant\n', '  user: vagrant\n  user: root\n'), ['10 access.user: stands twice']],
  [
    'a doubled key in a host',
    changed('    port: 2222\n', '    port: 2222\n    site: ams\n'),
    ['22 hosts[2].site: stands twice'],
  ],
  [
    'half a character',
    changed('user: vagrant', 'user: "\\ud800"'),
    ['9 access.user: wants a login name', '9 access.user: holds half a character, which no host can be given'],
  ],
  [
    'a NUL byte',
    changed('package: store-server', 'package: "store\\0server"'),
    ['25 roles.store.package: holds a NUL byte, which no host can be given'],
  ],
  ['a text of bytes', `!!binary |\n  ${TOY.replaceAll('\n', '\n  ')}`, ['1: uses a YAML tag (!…); wants plain values']],
  [
    'a name that every object has',
    changed('name: toy', 'name: constructor'),
    ['4 metadata.name: is taken: choose another name than constructor'],
  ],
  [
    'a text that is nested too deeply',
    `${TOY}x: ${'['.repeat(200)}${']'.repeat(200)}\n`,
    ['26 x[0][0]: is nested more than 100 levels deep'],
  ],
  ['a text that is nested deeper than the stack', '['.repeat(20_000), ['1: is nested too deeply']],
  [
    'a tab',
    changed('  store:', '\tstore:'),
    ['24: is not valid YAML: a tab stands where only spaces may, in the indentation'],
  ],
  [
    'a text',
    'hello world\n',
    ['1: is not a mapping (key: value): wants apiVersion, kind, metadata, sites, hosts and roles'],
  ],
  ['a list', '- 1\n', ['1: is not a mapping (key: value): wants apiVersion, kind, metadata, sites, hosts and roles']],
  ['an empty file', '', ['1: is empty: wants apiVersion, kind, metadata, sites, hosts and roles']],
  ['a file of comments', '# later\n', ['1: is empty: wants apiVersion, kind, metadata, sites, hosts and roles']],
  ['two documents', `${TOY}---\n${TOY}`, ['26: holds more than one YAML document (---); wants one cluster a file']],
  ['a tag', changed('user: vagrant', 'user: !env USER'), ['9: uses a YAML tag (!…); wants plain values']],
  ['an alias of itself', `${TOY}x: &x [*x]\n`, ['1: uses an alias inside of itself, or more than 100 of them']],
])('says what is wrong with %s', (_, text, expected) => {
  expect(problems(text)).toEqual(expected.map((problem) => `cluster.yaml:${problem}`));
});

it('says what is not YAML, once', () => {
  expect(problems('{{{\n')).toHaveLength(1);
  expect(problems('a: b: c\n')[0]).toMatch(/^cluster.yaml:1: is not valid YAML: /);
});

it('bounds aliases', () => {
  const levels = Array.from(
    { length: 9 },
    (_, n) =>
      `x${n}: &x${n} [${
        n === 0
          ? '1'
          : Array(9)
              .fill(`*x${n - 1}`)
              .join(', ')
      }]`,
  );
  expect(problems(levels.join('\n'))).toEqual([
    'cluster.yaml:1: uses an alias inside of itself, or more than 100 of them',
  ]);
});

it('lets hosts share a part by an alias', () => {
  const text = changed(
    'site: ams\n    address: 192.168.33.10',
    'site: ams\n    labels: &fast { disk: fast }\n    address: 192.168.33.10',
  ).replace('port: 2222', 'labels: *fast');
  expect(parse(text).cluster.hosts.map(({ labels }) => labels)).toEqual([{ disk: 'fast' }, {}, { disk: 'fast' }]);
});

it('says all that is wrong at once, in the order of the file', () => {
  const text = changed('2222', '0')
    .replace('pack', 'pck')
    .replace('site: fra', 'site: fro')
    .replace('.33.11', '.33.10')
    .replace('v1', 'v0');
  expect(problems(text).map((problem) => problem.split(': ')[0])).toEqual([
    'cluster.yaml:1 apiVersion',
    'cluster.yaml:17 hosts[1].address',
    'cluster.yaml:21 hosts[2].port',
    'cluster.yaml:25 roles.store.pckage',
  ]);
});

it('never shows the value of what should have been a reference', () => {
  expect(problems(changed('{ env: TOY_PASSWORD }', 'hunter2')).join()).not.toContain('hunter2');
  expect(problems(changed('{ env: TOY_PASSWORD }', '{ value: hunter2 }')).join()).not.toContain('hunter2');
});

it('keeps line and column for editors', () => {
  const wrong = changed('package: store', 'pakage: store');
  const problem = { file: 'cluster.yaml', line: 25, column: 5, path: 'roles.store.pakage', severity: 'error' };
  expect(() => parse(wrong)).toThrow(expect.objectContaining({ problems: [expect.objectContaining(problem)] }));
});

it('says of a file that is wrong everywhere no more than anybody reads, and takes no longer for it', () => {
  const text = Array.from({ length: 20_000 }, (_, n) => `key${n}: 1\n`).join('');
  const began = process.threadCpuUsage();
  const found = problems(text);
  expect(process.threadCpuUsage(began).user).toBeLessThan(4_000_000);
  expect(found).toHaveLength(101);
  expect(found.at(-1)).toBe('cluster.yaml:96: and 19905 more');
}, 60_000);
