import { createHash } from 'node:crypto';
import * as z from 'zod';
import { cut } from '../../src/plan/cut.ts';
import type { HostSpec, Plan, Stage } from '../../src/plan/plan.ts';
import { no, type Operation, operation, yes } from '../../src/roles/operation.ts';
import type { Role } from '../../src/roles/role.ts';
import { script, sh } from '../../src/ssh/command.ts';
import { FakeHosts } from '../fake-host.ts';

const STEPS = ['packages', 'clock', 'sysctl', 'firewall', 'engine'];

// What the roles of a real cluster ask for, with nothing behind it.
const Step = z.object({ step: z.string() });
const Mesh = z.object({
  port: z.number(),
  hosts: z.record(z.string(), z.object({ index: z.number(), address: z.string() })),
});

const supported = operation('many.supported', z.object({}), {
  kind: 'preflight',
  probe: () => sh`is supported`,
  judge: ({ exitCode }) => (exitCode === 0 ? yes() : no('another system', 'Debian')),
});
const step = operation('many.step', Step, {
  brief: true,
  probe: (_, { step: name }) => sh`is ${name}`,
  judge: ({ exitCode }) => (exitCode === 0 ? yes() : no('absent', 'there')),
  apply: (_, { step: name }) => script(sh`make ${name}`),
  undo: (_, { step: name }) => script(sh`unmake ${name}`),
});
const createKey = operation('mesh.key', z.object({}), {
  brief: true,
  publishes: ['mesh.publicKey'],
  probe: () => sh`is key`,
  judge: ({ exitCode, stdout }) => (exitCode === 0 ? yes({ 'mesh.publicKey': stdout }) : no('no key', 'a key')),
  // As if it were what lets Farweave in: that is known to be gone once it was taken back.
  admits: () => 'access.key',
  apply: () => script(sh`make key`),
  undo: () => script(sh`unmake key`),
});
/** Its configuration names every other host, with its address and key. */
const join = operation('mesh.join', Mesh, {
  brief: true,
  needs: ['mesh.publicKey'],
  publishes: [],
  probe: (_, { hosts }, facts) => sh`is ${`mesh-${sum({ hosts, keys: facts['mesh.publicKey'] })}`}`,
  judge: ({ exitCode }) => (exitCode === 0 ? yes() : no('another mesh', 'this one')),
  apply: (_, { hosts }, __, facts) => script(sh`make ${`mesh-${sum({ hosts, keys: facts['mesh.publicKey'] })}`}`),
  undo: () => script(sh`unmake mesh`),
});
const meshed = operation('mesh.meshed', Mesh, {
  kind: 'check',
  needs: ['mesh.publicKey'],
  publishes: [],
  probe: (_, { hosts }, facts) =>
    sh`reach ${`${Object.keys(hosts).length} of ${Object.keys(facts['mesh.publicKey']).length}`}`,
  judge: ({ exitCode }) => (exitCode === 0 ? yes() : no('some are beyond reach', 'all')),
});

const operations: readonly Operation[] = [supported, step, createKey, join, meshed] as never;
export const manyRoles: readonly Role[] = [{ name: 'many', config: z.unknown(), operations, stages: () => [] }];

const sum = (value: object) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);

/** Hosts in sites of about the same size, named and addressed as real ones are. */
export function manyHosts(count: number, sites: number): readonly HostSpec[] {
  return Array.from({ length: count }, (_, n) => ({
    name: `site${(n % sites) + 1}-host${Math.floor(n / sites) + 1}`,
    site: `site${(n % sites) + 1}`,
    index: n,
    address: `203.0.${Math.floor(n / 250)}.${(n % 250) + 1}`,
    port: 22,
    user: 'operator',
    labels: { rack: `r${n % 8}` },
    access: { password: 'vm.password' },
  }));
}

/** The steps of a rollout as it is: two lanes with a barrier between them, a site-scoped stage, and what spans the cluster. */
export function manyPlan(cluster: string, hosts: readonly HostSpec[]): Plan {
  const mesh = {
    port: 51820,
    hosts: Object.fromEntries(hosts.map(({ name, index, address }) => [name, { index, address }])),
  };
  const together = { barrier: { scope: 'cluster', on: 'each', order: 'all' } } as const;
  const [ahead, few] = [hosts.filter(({ index }) => index < 40), hosts.slice(0, 3)];
  const all: readonly Stage[] = [
    supported.over(hosts, 'be a Debian', {}),
    ...STEPS.map((name) => step.over(hosts, `bring ${name} about`, { step: name })),
    createKey.over(hosts, 'create a key', {}),
    join.over(hosts, 'join the mesh', mesh),
    step.over(hosts, 'serve names', { step: 'names' }),
    step.over(
      ahead,
      'start the relays',
      { step: 'relay' },
      { barrier: { scope: 'site', on: 'each', order: { rolling: 1 } } },
    ),
    step.over(few, 'initiate the set', { step: 'set' }, { barrier: { scope: 'cluster', on: 'one', order: 'all' } }),
    meshed.over(hosts, 'reach every host', mesh, together),
  ];
  const named = all.map((stage, n) => ({ ...stage, id: `${String(n).padStart(2, '0')}-${stage.operation}` }));
  return {
    version: 1,
    cluster,
    purpose: 'apply',
    hosts,
    ...cut(named, new Map(operations.map((one) => [one.name, one]))),
    secrets: { 'vm.password': { from: 'spec' } },
    budget: Math.floor(hosts.length / 10),
    onFailure: 'continue',
    patience: { Unreachable: [50] },
    outputs: [],
  };
}

/** Machines that remember what was made on them, each with keys of its own. */
export function manyMachines(hosts: readonly HostSpec[]): FakeHosts {
  const machines = new FakeHosts();
  for (const { name } of hosts) machines.get(name).hostKey = `SHA256:${keyOf(`${name} host`).slice(0, 43)}`;
  machines.on(/^is \S+$/, ({ text }, host) => {
    const what = text.slice('is '.length);
    if (what === 'key' && host.state.has(what)) return keyOf(host.name);
    return what === 'supported' || host.state.has(what) ? 0 : 1;
  });
  machines.on(/^make \S+$/m, ({ text }, host) => {
    const [, made = ''] = /^make (\S+)$/m.exec(text)!;
    host.state.set(made, '');
    return 0;
  });
  machines.on(/^unmake \S+$/m, ({ text }, host) => {
    const [, gone = ''] = /^unmake (\S+)$/m.exec(text)!;
    for (const made of host.state.keys()) if (made === gone || made.startsWith(`${gone}-`)) host.state.delete(made);
    return 0;
  });
  machines.on(/^reach /, 0);
  return machines;
}

const keyOf = (text: string) => createHash('sha256').update(text).digest('base64');
