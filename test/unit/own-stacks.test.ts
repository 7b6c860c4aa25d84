import { expect, it, test } from 'vitest';
import { compilePlan } from '../../src/plan/compile.ts';
import { readCluster } from '../../src/spec/file.ts';

const read = async (name: string) => readCluster(new URL(`../../examples/${name}.yaml`, import.meta.url).pathname);
const stacks = await Promise.all(['redis-web', 'prometheus'].map(async (name) => ({ name, ...(await read(name)) })));
const planOf = (cluster: (typeof stacks)[number]['cluster']) => compilePlan(cluster, { indexes: {} });

test.each(stacks)('$name is a stack of containers and scripts alone, without a warning', ({ cluster, warnings }) => {
  expect(warnings).toEqual([]);
  expect(Object.keys(cluster.sections)).toEqual(['system', 'docker', 'wireguard', 'dns', 'script', 'container']);
});

test.each(stacks)('$name has titles that fit the Web UI with the name of a host before them', ({ cluster }) => {
  const titles = planOf(cluster).stages.map(({ title }) => title);
  expect(titles.filter((title) => `vm100: ${title}`.length > 60)).toEqual([]);
});

it('rolls services out in the order of the file, each with what comes after it', () => {
  const own = stacks.map(({ cluster }) =>
    planOf(cluster)
      .stages.filter(({ operation }) => /^(?:script|container)\.(?:run|start|healthy)$/.test(operation))
      .map(({ title, hosts }) => `${title}: ${hosts.join(' ')}`),
  );
  expect(own).toEqual([
    [
      'start redis: vm0',
      'wait for redis: vm0',
      'run first-visit: vm0',
      'start web: vm0 vm1 vm2',
      'wait for web: vm0 vm1 vm2',
    ],
    [
      'run site-metric: vm0 vm1 vm2',
      'start node-exporter: vm0 vm1 vm2',
      'wait for node-exporter: vm0 vm1 vm2',
      'start prometheus: vm0',
      'wait for prometheus: vm0',
    ],
  ]);
});

it('gives both services one password, which nobody needs to know', () => {
  const { secrets, stages } = planOf(stacks[0]!.cluster);
  expect(secrets['generated.redis-password']).toEqual({ from: 'generated', length: 32, alphabet: 'alphanumeric' });
  const using = stages.filter((stage) => stage.secrets.includes('generated.redis-password'));
  expect(using.map(({ title }) => title)).toEqual(['start redis', 'start web']);
});

it('leaves services where they are when hosts join, and what is on every host joins with them', () => {
  for (const { cluster } of stacks) {
    const [first] = cluster.hosts;
    const newcomers = ['ams', 'sin'].map((site, n) => ({
      ...first!,
      name: `new${n}`,
      site,
      address: `192.168.34.${n}`,
    }));
    const indexes = { vm0: 0, vm1: 1, vm2: 2 };
    // Whatever their place in the file.
    const grown = compilePlan(
      { ...cluster, sites: { ...cluster.sites, sin: {} }, hosts: [...newcomers, ...cluster.hosts] },
      { indexes },
    );
    const started = (plan: typeof grown) =>
      new Set(plan.stages.filter(({ operation }) => operation === 'container.start').map(({ hosts }) => hosts.length));
    expect(started(planOf(cluster))).toEqual(new Set([1, 3]));
    expect(started(grown)).toEqual(new Set([1, 5]));
    expect(
      grown.stages.find(({ operation, hosts }) => operation === 'container.start' && hosts.length === 1),
    ).toMatchObject({
      hosts: ['vm0'],
    });
  }
});
