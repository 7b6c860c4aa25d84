import { expect, it } from 'vitest';
import { parseToy as parse, problemsOf as problems, TOY, toys } from '../../test/unit/toy.ts';
import { compilePlan } from '../plan/compile.ts';
import { digestOf } from '../plan/digest.ts';
import { printPlan } from '../plan/print.ts';
import { readCluster } from './file.ts';

/** The toy with some bastions, and who goes by which. */
function toy(bastions: string, { ams = '', vm2 = '', access = '' } = {}): string {
  return TOY.replace('{ timezone: Europe/Amsterdam }', `{ timezone: Europe/Amsterdam${ams && `, via: ${ams}`} }`)
    .replace('  password: { file: vm2.txt }', `  password: { file: vm2.txt }${vm2 && `\n    via: ${vm2}`}`)
    .replace('hosts:\n', `${access && `  via: ${access}\n`}bastions:\n${bastions}\nhosts:\n`);
}

const GATE = '  gate: { address: 192.0.2.1, password: { env: GATE } }';
const INNER = '  inner: { address: 10.0.0.1, port: 443, user: jump, privateKey: { file: k }, via: gate }';

it('leads to a host by what it says itself, then its site, then access; none goes directly', () => {
  const via = (text: string) => parse(text).cluster.hosts.map((host) => host.via);
  expect(via(toy(`${GATE}\n${INNER}`, { ams: 'inner', access: 'gate' }))).toEqual(['inner', 'inner', 'gate']);
  expect(via(toy(`${GATE}\n${INNER}`, { ams: 'none', vm2: 'inner', access: 'gate' }))).toEqual([
    undefined,
    undefined,
    'inner',
  ]);
});

it('has the secrets of bastions under their names, and none of those for hosts', () => {
  const { cluster } = parse(toy(`${GATE}\n${INNER}`, { ams: 'inner' }));
  expect(cluster.bastions).toEqual({
    gate: { address: '192.0.2.1', port: 22, user: 'root', access: { password: 'bastion.gate.password' } },
    inner: {
      address: '10.0.0.1',
      port: 443,
      user: 'jump',
      via: 'gate',
      access: { privateKey: 'bastion.inner.privateKey' },
    },
  });
  expect(cluster.secrets).toMatchObject({
    'bastion.gate.password': { env: 'GATE' },
    'bastion.inner.privateKey': { file: 'k' },
  });
});

it('puts into the plan the bastions that lead to its hosts, with their secrets, and says them', () => {
  const { cluster } = parse(toy(`${GATE}\n${INNER}`, { ams: 'inner' }));
  const plan = compilePlan(cluster, { indexes: {} }, { roles: toys });
  expect(Object.keys(plan.bastions ?? {}).toSorted()).toEqual(['gate', 'inner']);
  expect(Object.keys(plan.secrets)).toEqual(
    expect.arrayContaining(['bastion.gate.password', 'bastion.inner.privateKey']),
  );
  expect(printPlan(plan)).toContain('vm1 192.168.33.11, via gate, inner\n');
  expect(printPlan(plan)).toContain('Bastions  inner jump@10.0.0.1:443, via gate\n          gate root@192.0.2.1');
});

it('leaves the plan of who has none as it ever was', () => {
  const unused = compilePlan(parse(toy(GATE)).cluster, { indexes: {} }, { roles: toys });
  const plain = compilePlan(parse(TOY).cluster, { indexes: {} }, { roles: toys });
  expect(digestOf(unused)).toBe(digestOf(plain));
});

it('takes one address for two machines where they stand behind two bastions', () => {
  const same = toy(GATE, { vm2: 'gate' }).replace('192.168.33.12', '192.168.33.11').replace('port: 2222', 'port: 22');
  expect(problems(same)).toEqual([]);
  expect(problems(same.replace('    via: gate', ''))).toEqual(
    expect.arrayContaining([expect.stringContaining('192.168.33.11 port 22 is taken already, by vm1')]),
  );
});

it.each([
  [
    'an unknown one, of a site',
    toy(GATE, { ams: 'gat' }),
    ['sites.ams.via: unknown bastion "gat"; did you mean "gate"?'],
  ],
  [
    'an unknown one, of a host',
    TOY.replace('port: 2222', 'via: gate'),
    ['hosts[2].via: unknown bastion "gate"; none is named'],
  ],
  [
    'an unknown one, of access',
    toy(GATE, { access: 'x', vm2: 'gate' }),
    ['access.via: unknown bastion "x"; there are gate'],
  ],
  ['an unknown one, of another', toy(INNER, { ams: 'inner' }), ['bastions.inner.via: unknown bastion "gate"']],
  [
    'a circle',
    toy(`${GATE.replace(' } }', ' }, via: inner }')}\n${INNER}`, { ams: 'inner' }),
    ['bastions.gate.via: leads in a circle: gate → inner → gate'],
  ],
  [
    'one that leads to itself',
    toy(GATE.replace(' } }', ' }, via: gate }'), { ams: 'gate' }),
    ['bastions.gate.via: leads in a circle: gate → gate'],
  ],
  [
    'no login',
    toy('  gate: { address: 192.0.2.1 }', { ams: 'gate' }),
    ['bastions.gate: no way to log in to the bastion gate: give password'],
  ],
  [
    'a passphrase of nothing',
    toy('  gate: { address: 192.0.2.1, passphrase: { env: P } }', { ams: 'gate' }),
    ['bastions.gate.passphrase: there is no privateKey'],
  ],
  ['the name of a host', toy(GATE.replace('gate', 'vm2'), { ams: 'vm2' }), ['bastions.vm2: a host has this name']],
  ['the name none', toy(GATE.replace('gate', 'none')), ['bastions.none: wants another name', 'leads to no host']],
  ['one that nobody uses', toy(`${GATE}\n${INNER}`, { ams: 'gate' }), ['bastions.inner: warning: leads to no host']],
  [
    'one that cannot be read, without calling it unknown',
    toy(GATE.replace('192.0.2.1', '192.0.2.256'), { ams: 'gate' }),
    ['bastions.gate.address: wants an IPv4'],
  ],
])('says what is wrong: %s', (_, text, messages) => {
  const said = problems(text);
  expect(said).toHaveLength(messages.length);
  for (const [n, message] of messages.entries()) expect(said[n]).toContain(message);
});

it('is taught by an example that parses, without a warning', async () => {
  const { cluster, warnings } = await readCluster(new URL('../../examples/bastions.yaml', import.meta.url).pathname);
  expect(warnings).toEqual([]);
  expect(cluster.hosts).toMatchObject([{ become: 'doas' }, { via: 'gate-fra' }, { via: 'inner-nyc', agent: true }]);
  const plan = compilePlan(cluster, { indexes: {} });
  expect(Object.keys(plan.bastions ?? {}).toSorted()).toEqual(['gate-fra', 'gate-nyc', 'inner-nyc']);
});
