import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { TOY, toys } from '../../test/unit/toy.ts';
import { operation, yes } from '../roles/operation.ts';
import type { Role } from '../roles/role.ts';
import type { Cluster } from '../spec/cluster.ts';
import { parseCluster } from '../spec/parse.ts';
import { sh } from '../ssh/command.ts';
import { type Aim, allot, compilePlan } from './compile.ts';
import { digestOf } from './digest.ts';
import type { Plan } from './plan.ts';

const { cluster } = parseCluster(TOY, { file: 'cluster.yaml', roles: toys });
const fresh = { indexes: {} };
const plan = compilePlan(cluster, fresh, { roles: toys });
const cutOf = ({ segments }: Plan) => segments.map(({ scope, stages }) => [scope, ...stages]);

it('numbers stages in the order of the roles, and leaves preflights out of the segments', () => {
  expect(plan.stages.map(({ id }) => id)).toEqual([
    '00-mesh.supported',
    '01-mesh.createKey',
    '02-mesh.configure',
    '03-mesh.join',
    '04-mesh.reach',
    '05-store.start',
    '06-store.initiate',
    '07-store.restart',
  ]);
  expect(plan.segments.flatMap(({ stages }) => stages)).not.toContain('00-mesh.supported');
});

it('is cut around what spans the cluster, and before what needs facts that the segment brings', () => {
  expect(cutOf(plan)).toEqual([
    ['site', '01-mesh.createKey', '02-mesh.configure'],
    ['site', '03-mesh.join', '04-mesh.reach', '05-store.start'],
    ['cluster', '06-store.initiate'],
    ['site', '07-store.restart'],
  ]);
});

it('takes whatever is named after a role for a fact that it may bring, unless it says what it publishes', () => {
  const silent = toys.map((role) => ({
    ...role,
    operations: role.operations.map((entry) => {
      const { publishes: _publishes, ...rest } = entry;
      return rest;
    }),
  }));
  expect(cutOf(compilePlan(cluster, fresh, { roles: silent })).slice(0, 2)).toEqual([
    ['site', '01-mesh.createKey', '02-mesh.configure'],
    ['site', '03-mesh.join', '04-mesh.reach', '05-store.start'],
  ]);
});

it('puts brief neighbours into one lane, and all else into its own', () => {
  expect(plan.stages.map(({ lane }) => lane)).toEqual([0, 1, 1, 2, 3, 4, 5, 6]);
});

it('does not let hosts that have more to do hold up a lane of others', () => {
  const note = operation('toy.note', z.object({}), {
    brief: true,
    undo: 'restore',
    probe: () => sh`true`,
    judge: () => yes(),
    apply: () => sh`true`,
  });
  const toy = {
    name: 'toy',
    always: true,
    config: z.object({}),
    operations: [note],
    stages: (_: unknown, { hosts }: { hosts: Plan['hosts'] }) => [
      note.over(hosts, 'one', {}),
      note.over(hosts.slice(0, 1), 'two', {}),
      note.over(hosts.slice(0, 1), 'three', {}),
      note.over([], 'none', {}),
    ],
  };
  const roles = [...toys, toy];
  const sections = { ...cluster.sections, toy: {} };
  const lanes = compilePlan({ ...cluster, sections }, fresh, { roles })
    .stages.slice(-3)
    .map(({ title, lane }) => [title, lane]);
  expect(lanes).toEqual([
    ['one', 7],
    ['two', 8],
    ['three', 8],
  ]);
});

it('does not let a step that interrupts share a lane with one that does not', () => {
  const brief = {
    brief: true,
    undo: 'restore',
    probe: () => sh`true`,
    judge: () => yes(),
    apply: () => sh`true`,
  } as const;
  const note = operation('toy.note', z.object({}), brief);
  const stop = operation('toy.stop', z.object({}), { ...brief, disrupts: true });
  const toy: Role = {
    name: 'toy',
    always: true,
    config: z.object({}),
    operations: [note, stop] as unknown as Role['operations'],
    stages: (_, { hosts }) => [note, note, stop, stop, note].map((each) => each.over(hosts, each.name, {})),
  };
  const { stages } = compilePlan({ ...cluster, sections: { ...cluster.sections, toy: {} } }, fresh, {
    roles: [...toys, toy],
  });
  expect(stages.slice(-5).map(({ lane, disrupts }) => [lane, disrupts])).toEqual([
    [7, undefined],
    [7, undefined],
    [8, true],
    [8, true],
    [9, undefined],
  ]);
});

describe('the policy', () => {
  const night = { from: '22:00', to: '04:00' };
  const compiled = (rollout: Partial<Cluster['rollout']>, options: { purpose?: Aim } = {}) =>
    compilePlan(
      {
        ...cluster,
        sites: {
          ams: { timezone: 'Europe/Amsterdam', window: night },
          fra: {},
          nyc: { timezone: 'UTC', window: night },
        },
        rollout: { ...cluster.rollout, ...rollout },
      },
      fresh,
      { roles: toys, ...options },
    );

  it('is there only where the spec says something of it', () => {
    expect(plan).not.toHaveProperty('policy');
    expect(digestOf(compilePlan({ ...cluster, sites: {} }, fresh, { roles: toys }))).toBe(digestOf(plan));
  });

  it('holds waves, times, and the windows of sites that have hosts', () => {
    const approval = { before: 'rest', expires: 3_600_000 } as const;
    expect(compiled({ canary: 1, waves: { perSite: 1 }, soak: 60_000, approval }).policy).toEqual({
      waves: [['vm0'], ['vm1', 'vm2']],
      canary: true,
      soak: 60_000,
      approval,
      windows: { ams: { timezone: 'Europe/Amsterdam', ...night } },
    });
  });

  it('is not for a verification, which changes nothing', () => {
    expect(compiled({ canary: 1 }, { purpose: 'verify' })).not.toHaveProperty('policy');
  });

  it.each([
    [0, 0],
    [2, 2],
    ['0%', 0],
    ['10%', 1],
    ['67%', 2],
  ])('allows with a budget of %s that of three hosts %i are parked', (budget, count) => {
    expect(compiled({ budget }).budget).toBe(count);
  });
});

it('keeps checks alone for a verification, with the same ids and with the proofs that follow a change only', () => {
  const verify = compilePlan(cluster, fresh, { roles: toys, purpose: 'verify' });
  expect(verify.stages.map(({ id, afterChange }) => [id, afterChange])).toEqual([['04-mesh.reach', undefined]]);
  expect(verify.stages.every(({ timeout }) => timeout <= 10_000)).toBe(true);
  expect(verify.patience).not.toHaveProperty('NotConverged');
  expect(plan.stages[4]?.afterChange).toBe(true);
  expect(verify.secrets).toEqual({ 'access.password': { from: 'spec' }, 'access.vm2.password': { from: 'spec' } });
});

it('names the secrets that it uses, and where they come from', () => {
  expect(plan.secrets).toEqual({
    'access.password': { from: 'spec' },
    'access.vm2.password': { from: 'spec' },
    'store.keyFile': { from: 'generated', length: 741, alphabet: 'base64' },
    'store.password': { from: 'generated', length: 24, alphabet: 'alphanumeric' },
  });
});

it('gives hosts an index for life', () => {
  const hosts = (...names: string[]) => ({
    network: cluster.network,
    hosts: names.map((name) => ({ ...cluster.hosts[0]!, name })),
  });
  const first = allot(hosts('a', 'b', 'c'), fresh);
  expect(first).toEqual({ indexes: { a: 0, b: 1, c: 2 } });
  const without = allot(hosts('a', 'c'), first);
  expect(allot(hosts('d', 'c', 'a'), without)).toEqual({ indexes: { a: 0, b: 1, c: 2, d: 3 } });
  expect(allot(hosts('b'), { indexes: { a: 0, c: 7 } })).toEqual({ indexes: { a: 0, c: 7, b: 1 } });
});

it('hands on the index of a host that has gone when there is no other left, and says so when there is none', () => {
  const network = { ...cluster.network, range: '10.0.0.0/23' };
  const hosts = (...names: string[]) => ({ network, hosts: names.map((name) => ({ ...cluster.hosts[0]!, name })) });
  expect(allot(hosts('b', 'c'), { indexes: { a: 0, b: 1 } })).toEqual({ indexes: { b: 1, c: 0 } });
  expect(() => allot(hosts('a', 'b', 'c'), fresh)).toThrow(
    '10.0.0.0/23 has room for 2 hosts (a /24 each), none of it for c',
  );
});

it('refuses what only a mistake in a role can bring about', () => {
  const [mesh, store] = toys;
  const deaf = { ...store!, operations: store!.operations.slice(1) };
  expect(() => compilePlan(cluster, fresh, { roles: [mesh!, deaf] })).toThrow(/store.start .* in no role's list/);
  const secretive = { ...store!, secrets: () => ({}) };
  expect(() => compilePlan({ ...cluster, secrets: {} }, fresh, { roles: [mesh!, secretive] })).toThrow(
    /no role's secrets\(\) says/,
  );
});

it('has a digest that holds for exactly it, whatever the order of keys', () => {
  expect(digestOf(compilePlan(cluster, fresh, { roles: toys }))).toBe(digestOf(plan));
  const reversed = Object.fromEntries(Object.entries(plan).toReversed()) as unknown as Plan;
  expect(digestOf(reversed)).toBe(digestOf(plan));
  expect(digestOf({ ...plan, budget: 1 })).not.toBe(digestOf(plan));
  expect(digestOf(plan)).toMatch(/^[0-9a-f]{64}$/);
});

it('is plain JSON', () => {
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
});

const forum = (names: readonly string[]) => `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: forum }
sites: { ams: {} }
access: { password: { env: PASSWORD } }
hosts:
${names.map((name, n) => `  - { name: ${name}, site: ams, address: 192.0.2.${10 + n} }`).join('\n')}
roles: { docker: {}, mongodb: {}, nodebb: {} }
`;
const read = (...names: string[]) => parseCluster(forum(names), { file: 'cluster.yaml' }).cluster;

describe('hosts that leave', () => {
  const before = read('vm0', 'vm1', 'vm2', 'vm3');
  const known = { indexes: { vm0: 0, vm1: 1, vm2: 2, vm3: 3 } };
  const without = compilePlan(read('vm0', 'vm1', 'vm2'), known, { before });
  const argsOf = (operation: string) =>
    without.stages.filter((stage) => stage.operation === operation).map(({ args }) => args as Record<string, unknown>);

  it('are in the plan, and count for no budget and in no role', () => {
    expect(without.hosts.filter(({ leaving }) => leaving).map(({ name, index }) => [name, index])).toEqual([
      ['vm3', 3],
    ]);
    const staying = without.stages.find(({ operation: name }) => name === 'mongodb.start');
    expect(staying?.hosts).toEqual(['vm0', 'vm1', 'vm2']);
  });

  it('are a part of the mesh and of its names until all else holds, and then no longer', () => {
    expect(argsOf('wireguard.join').map(({ hosts }) => Object.keys(hosts as object))).toEqual([
      ['vm0', 'vm1', 'vm2', 'vm3'],
      ['vm0', 'vm1', 'vm2'],
    ]);
    const names = argsOf('dns.serve').map((args) => args['names'] as Record<string, string[]>);
    expect(names.map((each) => Object.keys(each))).toEqual([
      ['node0', 'node1', 'node2', 'nodebb', 'node3'],
      ['node0', 'node1', 'node2', 'nodebb'],
    ]);
    expect(names[0]?.['nodebb']).toHaveLength(3);
  });

  it('leave no trace in the plan of a cluster that nobody leaves', () => {
    const plan = compilePlan(before, known);
    expect(compilePlan(before, known, { before })).toEqual(plan);
    expect(compilePlan(read('vm0', 'vm1', 'vm2', 'vm3', 'vm4'), known, { before }).hosts).toHaveLength(5);
  });
});

describe('a plan that ends with hosts as they were found', () => {
  const all = read('vm0', 'vm1', 'vm2');
  const known = { indexes: { vm0: 0, vm1: 1, vm2: 2 } };
  const operations = ({ stages }: Plan) => stages.map((stage) => stage.operation);
  const end = compilePlan(all, known, { purpose: 'destroy' });
  const place = (name: string, of = end) => operations(of).indexOf(name);

  it('takes back what no longer stands in the plan first, then all else in reverse, and gives hosts up last', () => {
    const changes = compilePlan(all, known).stages.filter(
      ({ kind, irreversible }) => kind === 'change' && irreversible === undefined,
    );
    expect(operations(end)).toEqual([
      'host.others',
      ...changes.toReversed().map((stage) => `${stage.operation}.withdraw`),
      'host.released',
    ]);
    const order = ['nodebb.start', 'mongodb.start', 'wireguard.join', 'docker.install', 'system.prerequisites'];
    const places = order.map((name) => place(`${name}.withdraw`));
    expect(places).toEqual(places.toSorted((one, other) => one - other));
    expect(places).not.toContain(-1);
  });

  it('is for every host at its own pace, leaves out what cannot be taken back, and asks for no secret but for access', () => {
    expect(end.segments).toHaveLength(1);
    expect(new Set(end.stages.map(({ hosts }) => hosts.join()))).toEqual(new Set(['vm0,vm1,vm2']));
    for (const name of ['mongodb.initiate', 'system.upgrade', 'mongodb.healthy'])
      expect(place(`${name}.withdraw`)).toBe(-1);
    expect(end.hosts.every(({ leaving }) => leaving)).toBe(true);
    expect(end).toMatchObject({ budget: 3, onFailure: 'continue', outputs: [] });
    expect(Object.keys(end.secrets)).toContain('access.password');
    expect(Object.keys(end.secrets)).not.toContain('nodebb.adminPassword');
  });

  it('keeps data unless it is told to erase it, which is what comes last before hosts are given up', () => {
    expect(operations(end).filter((name) => name.endsWith('.erased'))).toEqual([]);
    const bare = compilePlan(all, known, { purpose: 'destroy', data: true });
    expect(operations(bare).slice(-3)).toEqual(['nodebb.erased', 'mongodb.erased', 'host.released']);
    expect(bare.stages.at(-1)?.args).toEqual({ data: true });
    expect(end.stages.at(-1)?.args).toEqual({ data: false });
  });

  it('does the same for hosts that leave a cluster, once all else holds', () => {
    const fewer = compilePlan(read('vm0', 'vm1'), known, { before: all, data: true });
    const ending = fewer.stages.slice(place('host.others', fewer));
    expect(ending.map(({ operation: name }) => name)).toEqual(
      operations(compilePlan(all, known, { purpose: 'destroy', data: true })),
    );
    expect(new Set(ending.map(({ hosts }) => hosts.join()))).toEqual(new Set(['vm2']));
    expect(fewer.stages.slice(0, -ending.length).some(({ operation: name }) => name.endsWith('.withdraw'))).toBe(false);
  });

  it('takes an operation that is used several times back at once, when the last use of it would be', () => {
    const two: Role = {
      ...toys[0]!,
      stages: (_, { on }) => {
        const [first, second] = ['a', 'b'].map((name) => ({ ...stageOf(name), hosts: on.map((host) => host.name) }));
        return [first!, { ...first!, operation: 'toy.between' }, second!];
      },
    };
    const stageOf = (name: string) => ({
      ...plan.stages.find(({ operation: each }) => each === 'mesh.configure')!,
      args: { name },
    });
    const names = operations(compilePlan(cluster, fresh, { purpose: 'destroy', roles: [two] }));
    expect(names).toEqual(['host.others', 'mesh.configure.withdraw', 'toy.between.withdraw', 'host.released']);
  });
});
