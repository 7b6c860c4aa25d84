import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { allot, compilePlan } from '../../src/plan/compile.ts';
import { pack } from '../../src/plan/pack.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { printPlan } from '../../src/plan/print.ts';
import { roles } from '../../src/roles/index.ts';
import { readCluster } from '../../src/spec/file.ts';
import { initialCluster } from '../../src/spec/init.ts';
import { parseCluster } from '../../src/spec/parse.ts';

const file = new URL('../../examples/nodebb.yaml', import.meta.url).pathname;
const { cluster, warnings } = await readCluster(file);
const plan = compilePlan(cluster, { indexes: {} });

const taken = compilePlan(cluster, { indexes: {} }, { purpose: { backup: '20261125-143005' } });
const laidBack = compilePlan(
  cluster,
  { indexes: {} },
  { purpose: { restore: { id: '20261125-143005', host: 'vm1', sha256: 'ab', asked: '20261201-080000' } } },
);
const operationsOf = ({ stages }: Plan) => stages.map(({ operation }) => operation);

it('reads the cluster of the article', () => {
  expect(warnings).toEqual([]);
  expect(cluster.hosts.map(({ name, site, address }) => [name, site, address])).toEqual([
    ['vm0', 'ams', '192.168.33.10'],
    ['vm1', 'fra', '192.168.33.11'],
    ['vm2', 'nyc', '192.168.33.12'],
  ]);
  const own = ['script', 'container'];
  expect(Object.keys(cluster.sections)).toEqual(roles.map(({ name }) => name).filter((name) => !own.includes(name)));
});

it('prints the plan that was last agreed on', async () => {
  // The text is what people go by: a change of a role shows here as what it does to hosts. `vitest -u` accepts it.
  await expect(printPlan(plan)).toMatchFileSnapshot('plan.golden.txt');
});

it('has titles that fit the Web UI with the name of a host before them', () => {
  const end = compilePlan(cluster, { indexes: {} }, { purpose: 'destroy', data: true });
  const titles = [plan, end].flatMap(({ stages }) => stages.map(({ title }) => title));
  expect(titles.filter((title) => `vm100: ${title}`.length > 60)).toEqual([]);
});

it('gives every operation of the roles a place in a plan of theirs', () => {
  // With the choices that the example does not make.
  const text = readFileSync(file, 'utf8')
    .replace('docker: {}', 'docker: { source: docker }')
    .replace('replicaSet: rs0', "replicaSet: rs0\n    featureCompatibility: '8.0'");
  const example = readFileSync(new URL('../../cluster.example.yaml', import.meta.url), 'utf8');
  const whole = [text, example].map((each) => parseCluster(each, { file }).cluster);
  const others = whole.map((each) => compilePlan(each, { indexes: {} }));
  const { indexes } = allot(cluster, { indexes: {} });
  const less = compilePlan({ ...cluster, hosts: cluster.hosts.slice(1) }, { indexes }, { before: cluster });
  const ends = whole.map((each) => compilePlan(each, { indexes: {} }, { purpose: 'destroy', data: true }));
  const hostKeys = cluster.hosts.map(({ name }) => name);
  const rekeyed = compilePlan(cluster, { indexes: {} }, { purpose: { hostKeys, mark: 'now' } });
  const named = [plan, less, taken, laidBack, rekeyed, ...ends, ...others].flatMap(({ stages }) =>
    stages.flatMap((stage) => [
      stage.operation,
      ...(stage.scope !== 'host' && stage.gate ? [stage.gate.operation] : []),
      ...(stage.guard ? [stage.guard.operation] : []),
    ]),
  );
  const idle = roles
    .flatMap(({ operations }) => operations.map(({ name }) => name))
    .filter((name) => !named.includes(name));
  expect(idle, 'an operation that no stage and no gate uses').toEqual([]);
});

it('knows what may interrupt what serves on a host', () => {
  // Not joining the mesh: a host that waited for its turn would keep all others from reaching it.
  expect(plan.stages.filter(({ disrupts }) => disrupts).map(({ operation }) => operation)).toEqual([
    'system.upgrade',
    'docker.install',
    'docker.configure',
    'docker.network',
    'mongodb.start',
    'nodebb.start',
  ]);
});

it('takes a backup of one member after another, and undoes what has not come to be one', () => {
  expect(taken).toMatchObject({ purpose: 'backup', onFailure: 'rollback', outputs: [] });
  expect(operationsOf(taken)).toEqual(['mongodb.standing', 'mongodb.copied', 'mongodb.backup', 'mongodb.kept']);
  expect(taken.stages[1]).toMatchObject({ scope: 'cluster', on: 'each', order: { rolling: 1 } });
  expect(operationsOf(compilePlan(cluster, { indexes: {} }, { purpose: 'backups' }))).toEqual(['mongodb.kept']);
});

it('proves a backup before it stops anything, and starts the forum last', () => {
  const names = operationsOf(laidBack);
  const inOrder = ['mongodb.restorable', 'mongodb.unpacked', 'nodebb.stopped', 'mongodb.replaced', 'mongodb.start'];
  expect(names.slice(0, 4)).toEqual(inOrder.slice(0, 4));
  expect(names.indexOf('mongodb.start')).toBeLessThan(names.indexOf('nodebb.start'));
  expect(names).not.toContain('docker.install');
  expect(laidBack).toMatchObject({ purpose: 'restore', onFailure: 'pause' });
  expect(laidBack).not.toHaveProperty('policy');
});

it('lays a backup back where it lies, and has nobody spared, since all have been stopped', () => {
  const on = (operation: string) => laidBack.stages.find((stage) => stage.operation === operation)?.hosts;
  expect(on('mongodb.unpacked')).toEqual(['vm1']);
  expect(on('mongodb.replaced')).toEqual(['vm0', 'vm1', 'vm2']);
  // The survey finds all in the set still; those that have lost their data must not be taken for members.
  expect(on('mongodb.members')).toEqual(['vm1']);
  expect(laidBack.stages.filter(({ spare, guard }) => spare !== undefined || guard)).toEqual([]);
});

it.each([
  [1, 1, 1],
  [2, 1, 1],
  [3, 1, 1],
  [4, 1, 1],
  [5, 1, 2],
  [7, 1, 3],
])('of %i hosts can spare %i of the replica set, and %i that serve the forum', (count, members, serving) => {
  const hosts = Array.from({ length: count }, (_, n) => ({
    ...cluster.hosts[0]!,
    name: `vm${n}`,
    address: `h${n}.test`,
  }));
  const { stages } = compilePlan({ ...cluster, hosts }, { indexes: {} });
  expect(stages.filter(({ spare }) => spare !== undefined).map(({ operation, spare }) => [operation, spare])).toEqual([
    ['mongodb.healthy', members],
    ['nodebb.serving', serving],
  ]);
});

it('makes from `farweave init` a cluster that can be planned', () => {
  const text = initialCluster(['vagrant@10.0.0.1', 'vagrant@10.0.0.2', 'vagrant@10.0.0.3'], { name: 'first' });
  const { stages } = compilePlan(parseCluster(text, { file: 'cluster.yaml' }).cluster, { indexes: {} });
  expect(stages.map(({ id }) => id)).toEqual(plan.stages.map(({ id }) => id));
});

it('stays small as it travels: the server warns at 256 KiB and refuses at 2 MiB', () => {
  const many = Array.from({ length: 300 }, (_, n) => ({
    ...cluster.hosts[0]!,
    name: `vm${n}`,
    site: ['ams', 'fra', 'nyc'][n % 3]!,
    address: `192.168.${33 + Math.floor(n / 200)}.${10 + (n % 200)}`,
  }));
  const first = { hosts: many.slice(0, 3).map(({ name }) => name) };
  const sections = { ...cluster.sections, mongodb: { ...Object(cluster.sections.mongodb), ...first } };
  const network = { ...cluster.network, range: '10.192.0.0/12' };
  const large = compilePlan({ ...cluster, hosts: many, sections, network }, { indexes: {} });
  const size = (value: Plan) => Buffer.byteLength(JSON.stringify(pack(value)));
  console.log(`plan: ${size(plan)} bytes for 3 hosts, ${size(large)} bytes for 300 hosts`);
  expect(size(large)).toBeLessThan(100 * 1024);
});
