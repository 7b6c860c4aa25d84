import { describe, expect, it, test } from 'vitest';
import { ReplicaSet } from '../../../test/replica-set.ts';
import type { HostSpec, Stage } from '../../plan/plan.ts';
import { contexts, type Layout } from '../context.ts';
import { docker } from '../docker/index.ts';
import type { Network } from '../network.ts';
import type { Operation } from '../operation.ts';
import { healthy, ROLE, readable, ready, SET, spares } from './health.ts';
import { mongodb } from './index.ts';
import { cpu, start } from './operations.ts';
import { admin, features, initiate, members, writeConcern } from './set.ts';

const network: Network = {
  driver: 'wireguard',
  range: '10.200.0.0/16',
  prefix: 24,
  domain: 'farweave.local',
  mtu: 1320,
};
const machine = (index: number): HostSpec => ({
  name: `vm${index}`,
  site: 'ams1',
  index,
  address: `192.0.2.1${index}`,
  port: 22,
  user: 'root',
  labels: {},
  access: {},
});
const said = (stdout: string, exitCode = 0, stderr = '') => ({ exitCode, stdout, stderr });
const look = (value: object) => said(`a warning of the shell\nfarweave ${JSON.stringify(value)}\n`);

const names = ['node0', 'node1', 'node2'].map((name) => `${name}.farweave.local:27017`);
const set = {
  replicaSet: 'rs0',
  port: 27017,
  members: names.map((name) => ({ name })),
  electionTimeoutMillis: 5000,
};
const host = machine(0);
const well = { set: 'rs0', hosts: names, voters: names, primary: names[0], admin: true, electionTimeoutMillis: 5000 };

function layout(count: number, section: object = {}): Layout {
  const hosts = Array.from({ length: count }, (_, index) => machine(index));
  return {
    cluster: 'demo',
    sites: {},
    hosts,
    network,
    sections: { docker: {}, mongodb: mongodb.config.parse(section) },
  };
}

function laidOut(count: number, section: object = {}) {
  const all = layout(count, section);
  const context = contexts(all, [docker, mongodb])(mongodb);
  return { context, config: mongodb.config.parse(section) };
}

function laidOutStage(name: string) {
  const { context, config } = laidOut(3);
  return mongodb.stages(config, context).find(({ operation }) => operation === name)!;
}

/** The script that an operation would run. */
function applied<Args>(operation: Pick<Operation<Args>, 'name'>, host: HostSpec, args: Args) {
  const { apply } = operation as Partial<Extract<Operation<Args>, { apply: unknown }>>;
  if (apply === undefined) throw new Error(`${operation.name} changes nothing`);
  return apply(host, args, { is: 'no', now: '', wanted: '' }, {});
}

describe('mongodb.initiate', () => {
  test.each([
    ['a fresh host', { state: 'absent' }, 'no'],
    ['a member in no set', { state: 'uninitialized' }, 'no'],
    ['a member of this set', { state: 'SECONDARY', ...well }, 'yes'],
    ['a member that copies', { state: 'STARTUP2', set: 'rs0' }, 'yes'],
    // A second set beside it would be the end of its data.
    ['data without a mongod that runs', { state: 'down' }, 'unknown'],
    ['a mongod that does not answer', { state: 'silent' }, 'unknown'],
    ['a member of another set', { state: 'PRIMARY', set: 'other' }, 'unknown'],
  ])('judges %s', (_, seen, is) => {
    expect(initiate.judge(look(seen), host, set, {}).is).toBe(is);
  });

  it('does not know what a shell that fails has seen', () => {
    const output = said('', 1, 'Error: No such container: node0');
    expect(initiate.judge(output, host, set, {})).toMatchObject({ is: 'unknown' });
  });

  it('refuses in its script where a member belongs to a set', () => {
    const { text } = applied(initiate, host, set);
    expect(text.indexOf('not making a second one')).toBeGreaterThan(0);
    expect(text.indexOf('not making a second one')).toBeLessThan(text.indexOf('replSetInitiate'));
  });

  it('keeps the password out of its text', () => {
    const { text, variables } = applied(initiate, host, set);
    expect(text).toContain('"$fw_mongodb_adminPassword_json"');
    expect(Object.keys(variables ?? {})).toEqual(['fw_mongodb_adminPassword_json']);
  });
});

test.each([
  ['of whom a member in no set has yet to hear', { state: 'uninitialized' }, 'yes'],
  ['where there is no member yet', { state: 'absent' }, 'no'],
  ['who can log in', { state: 'PRIMARY', ...well }, 'yes'],
  ['who cannot', { state: 'SECONDARY', ...well, admin: false }, 'no'],
  ['where MongoDB is down', { state: 'down' }, 'unknown'],
])('mongodb.admin judges an admin %s', (_, seen, is) => {
  expect(admin.judge(look(seen), host, { port: 27017 }, { [SET]: {} }).is).toBe(is);
});

test.each([
  ['all members', { state: 'PRIMARY', ...well }, { is: 'yes' }],
  ['a member missing', { state: 'PRIMARY', ...well, voters: names.slice(0, 2) }, { is: 'no', now: 'without node2' }],
  ['another election time-out', { state: 'PRIMARY', ...well, electionTimeoutMillis: 10000 }, { is: 'no' }],
  ['a set that cannot be asked', { state: 'PRIMARY', ...well, admin: false }, { is: 'unknown' }],
  ['no set yet', { state: 'uninitialized' }, { is: 'no' }],
])('mongodb.members judges %s', (_, seen, verdict) => {
  expect(members.judge(look(seen), host, set, {})).toMatchObject(verdict);
});

test.each([
  ['majority', 'majority', 'yes'],
  ['what 4.4 has by itself', undefined, 'no'],
  ['a number', 1, 'no'],
])('mongodb.writeConcern judges %s', (_, found, is) => {
  const seen = look({ state: 'PRIMARY', ...well, writeConcern: found });
  expect(writeConcern.judge(seen, host, { port: 27017, writeConcern: 'majority' }, {}).is).toBe(is);
});

describe('mongodb.healthy', () => {
  test.each(['PRIMARY', 'SECONDARY'])('publishes that a member is %s', (state) => {
    const verdict = healthy.judge(look({ state, ...well }), host, set, {});
    expect(verdict).toEqual({ is: 'yes', facts: { [ROLE]: state } });
  });

  test.each([
    ['copies', { state: 'STARTUP2', ...well }],
    ['has no primary', { state: 'SECONDARY', ...well, primary: undefined }],
    ['does not know a member by name', { state: 'SECONDARY', ...well, hosts: names.slice(1) }],
    ['is not there', { state: 'absent' }],
  ])('waits where a member %s', (_, seen) => {
    expect(healthy.judge(look(seen), host, set, {}).is).toBe('no');
  });
});

test.each([
  ['in no set yet', 'uninitialized', 'yes'],
  ['that serves', 'SECONDARY', 'yes'],
  ['that catches up', 'RECOVERING', 'no'],
  ['that is down', 'down', 'no'],
])('mongodb.ready judges a member %s', (_, state, is) => {
  expect(ready.judge(look({ state }), host, { port: 27017 }, {}).is).toBe(is);
});

test.each([
  ['is a little behind', { behind: 10 }, 'yes'],
  ['is far behind', { behind: 11 }, 'no'],
  ['has not found the primary yet', { primary: undefined }, 'no'],
  ['is the first to start of a set that was down', { primary: undefined, ailing: names.slice(1) }, 'yes'],
])('mongodb.ready judges a member that %s', (_, seen, is) => {
  expect(ready.judge(look({ state: 'SECONDARY', ...well, ...seen }), host, { port: 27017 }, {}).is).toBe(is);
});

it('spares no member while another that votes is away', () => {
  const [one = '', other = ''] = names;
  const judged = (voters: readonly string[], ailing: readonly string[], lagging: readonly string[] = []) =>
    spares.judge(look({ state: 'PRIMARY', voters, ailing, lagging }), host, { port: 27017 }, {});
  expect(judged(names, [other])).toEqual({ is: 'no', now: 'without node1', wanted: 'all members that vote' });
  expect(judged([one], [other])).toMatchObject({ is: 'yes' });
  expect(judged(names, [], [other])).toMatchObject({ is: 'no', now: 'node1 more than 10 s behind' });
  expect(judged([one], [], [other])).toMatchObject({ is: 'yes' });
});

test.each([
  ['x86_64\navx\n', '8.0.17', 'yes'],
  ['x86_64\n\n', '8.0.17', 'no'],
  ['x86_64\n\n', '4.4.29', 'yes'],
  ['aarch64\natomics\n', '7.0', 'yes'],
  ['aarch64\n\n', '5.0', 'no'],
  ['', '8.0', 'unknown'],
])('mongodb.cpu judges %j for MongoDB %s', (stdout, version, is) => {
  expect(cpu.judge(said(stdout), host, { version }, {}).is).toBe(is);
});

test.each([
  ['no data', { state: 'absent' }, '8.0.17', 'yes'],
  ['its own', { features: '4.4' }, '4.4.29', 'yes'],
  ['that of the release before', { features: '4.4' }, '5.0.31', 'yes'],
  ['that of two releases before', { features: '4.4' }, '6.0.27', 'no'],
  ['that of the release before, for one between two', { features: '7.0' }, '8.2.1', 'no'],
  ['that of the major release before', { features: '8.0' }, '8.2.1', 'yes'],
  ['that of one between two', { features: '7.3' }, '8.0.17', 'yes'],
  ['that of a later release', { features: '8.0' }, '7.0.28', 'no'],
  ['what nobody can tell', { state: 'down' }, '8.0.17', 'yes'],
])('mongodb.readable judges %s', (_, found, version, is) => {
  const verdict = readable.judge(look({ state: 'PRIMARY', ...found }), host, { port: 27017, version }, {});
  expect(verdict.is).toBe(is);
});

it('says which release comes first, and with what', () => {
  const verdict = readable.judge(
    look({ state: 'PRIMARY', features: '4.4' }),
    host,
    { port: 27017, version: '8.0.17' },
    {},
  );
  expect(verdict).toMatchObject({ wanted: expect.stringContaining("featureCompatibility: '5.0'") });
});

describe('mongodb.features', () => {
  const args = { port: 27017, release: '7.0' };
  test.each([
    ['the release before', { features: '6.0' }, 'no'],
    ['its own', { features: '7.0' }, 'yes'],
    ['a later one', { features: '8.0' }, 'yes'],
    ['nobody knows which', { admin: false }, 'unknown'],
  ])('judges the data format of %s', (_, seen, is) => {
    expect(features.judge(look({ state: 'PRIMARY', ...well, ...seen }), host, args, {}).is).toBe(is);
  });

  it('is asked for only by name', () => {
    const named = (section: object) => {
      const { context, config } = laidOut(3, section);
      return mongodb.stages(config, context).filter(({ operation }) => operation === 'mongodb.features');
    };
    expect(named({})).toEqual([]);
    expect(named({ featureCompatibility: '8.0' })).toMatchObject([{ on: 'one', args: { release: '8.0' } }]);
  });

  it('confirms from 7.0 on, which is unknown before', () => {
    expect(applied(features, host, args).text).toContain('"confirm":true');
    expect(applied(features, host, { ...args, release: '6.0' }).text).not.toContain('confirm');
  });
});

describe('a member that is to be stopped', () => {
  const [one = '', other = ''] = names;
  const args = start.args.parse(laidOutStage('mongodb.start').args);
  /** By the script that makes it anew; of Docker there is nothing but the shell in the container. */
  const stopped = (replicas: ReplicaSet, index: number, given = args) => {
    const script = applied(start, machine(index), given);
    const { text } = script;
    const from = text.indexOf('( set -eu'),
      to = text.indexOf(') || code=$?');
    if (from < 0) return [];
    const { exitCode } = replicas.run({ ...script, text: text.slice(from + 1, to) }, names[index]!);
    return [...replicas.log, exitCode];
  };

  it('is stopped where another can take over, and hands over by itself', () => {
    expect(stopped(new ReplicaSet(names), 0)).toEqual([0]);
    expect(stopped(new ReplicaSet(names), 1)).toEqual([0]);
  });

  it('is just stopped where nobody could succeed it', () => {
    expect(stopped(new ReplicaSet([one]), 0)).toEqual([0]);
  });

  it('is left alone as long as the others are late', () => {
    const replicas = new ReplicaSet([one, other]);
    replicas.behind.set(other, 100);
    expect(stopped(replicas, 0)).toEqual([3]);
  });

  it('is stopped as before by plans of older releases', () => {
    const { handsOver: _handsOver, ...old } = args;
    expect(stopped(new ReplicaSet(names), 0, old)).toEqual([]);
  });
});

describe('the role', () => {
  const stagesOf = (count: number, section?: object) => {
    const { context, config } = laidOut(count, section);
    return mongodb.stages(config, context);
  };
  const stage = (stages: readonly Stage[], name: string) => stages.find(({ operation }) => operation === name)!;

  it('names members as the containers that docker exec finds', () => {
    const { context, config } = laidOut(3);
    expect(mongodb.records!(config, context)).toEqual([
      { name: 'node0', address: '10.200.0.10' },
      { name: 'node1', address: '10.200.1.10' },
      { name: 'node2', address: '10.200.2.10' },
    ]);
    expect(stage(stagesOf(3), 'mongodb.healthy').args).toMatchObject({ members: set.members });
  });

  it('publishes no port and passes no secret as an argument', () => {
    const { args } = stage(stagesOf(3, { cacheGB: 0.25, oplogMB: 64 }), 'mongodb.start');
    const { text, variables } = applied(start, host, start.args.parse(args));
    expect(text).not.toContain('--publish');
    expect(text).toContain('--wiredTigerCacheSizeGB 0.25 --oplogSize 64');
    // The password is for the one who hands over, and reaches it by stdin.
    const made = [expect.stringMatching(/^fw_digest_/), 'fw_mongodb_adminPassword_json'];
    expect(Object.keys(variables ?? {}).toSorted()).toEqual(made);
    expect(
      text
        .split('\n')
        .filter((line) => /^ *docker (run|exec)/.test(line))
        .join(),
    ).not.toContain('fw_mongodb');
  });

  it('does what must be done once on one host, and starts the primary last', () => {
    const stages = stagesOf(3);
    expect(stages.filter((one) => 'on' in one && one.on === 'one').map(({ operation }) => operation)).toEqual([
      'mongodb.initiate',
      'mongodb.members',
      'mongodb.writeConcern',
    ]);
    expect(stage(stages, 'mongodb.start')).toMatchObject({
      order: { by: 'mongodb.role', first: ['SECONDARY'] },
      gate: { operation: 'mongodb.ready' },
    });
  });

  test.each([
    [1, {}, []],
    [2, {}, ['warning hosts']],
    [3, {}, []],
    [6, {}, ['warning hosts']],
    [7, {}, []],
    [8, {}, ['error hosts']],
    [3, { writeConcern: 4 }, ['error writeConcern']],
    [3, { image: 'mongo:4.4.29' }, []],
    [3, { image: 'mongo:4.2.24' }, ['error image']],
    [3, { image: 'mongo:9.0.0' }, ['error image']],
    [3, { image: 'mongo:7.0.28', featureCompatibility: '7.0' }, []],
    [3, { image: 'mongo:7.0.28', featureCompatibility: '6.0' }, []],
    [3, { image: 'mongo:7.0.28', featureCompatibility: '5.0' }, ['error featureCompatibility']],
    [3, { image: 'mongo:7.0.28', featureCompatibility: '8.0' }, ['error featureCompatibility']],
    [3, { image: 'mongo:latest' }, ['error version']],
    [3, { image: 'mongo:latest', version: '8.0' }, []],
  ])('of %i hosts and %j says %j', (count, section, problems) => {
    const { context, config } = laidOut(count, section);
    expect(mongodb.validate!(config, context).map(({ severity, path }) => `${severity} ${path.join('.')}`)).toEqual(
      problems,
    );
  });

  test.each([
    ['no hosts at all', { hosts: [] }],
    ['a name with shell characters', { replicaSet: 'rs0; reboot' }],
    ['an unknown key', { replicaset: 'rs0' }],
    ['a port out of range', { port: 70000 }],
  ])('refuses %s', (_, section) => {
    expect(mongodb.config.safeParse(section).success).toBe(false);
  });
});
