import * as z from 'zod';
import { cut } from '../../src/plan/cut.ts';
import type { HostSpec, Plan, Stage } from '../../src/plan/plan.ts';
import { no, type Operation, operation, same, unknown, yes } from '../../src/roles/operation.ts';
import type { Role } from '../../src/roles/role.ts';
import { digest, holds, script, secret, sh, text, writing } from '../../src/ssh/command.ts';

/** Before every change: writes it down, waits, dawdles or fails as the machine's files say (`/srv/hold/<name>`, `slow`, `fail`). */
const first = (name: string) => sh`echo ${name} >> /srv/log
while [ -e /srv/hold/${name} ]; do sleep 0.1; done
sleep "$(cat /srv/slow/${name} 2>/dev/null || echo 0)"
if [ -e /srv/fail/${name} ]; then echo 'E: it failed'; exit "$(cat /srv/fail/${name})"; fi`;

const supported = operation('sys.supported', z.object({}), {
  kind: 'preflight',
  probe: () => sh`cat /srv/os 2>/dev/null || echo debian`,
  judge: ({ stdout }) => same(stdout.trim(), 'debian'),
});

const install = operation('pkg.install', z.object({ package: z.string() }), {
  timeout: 30_000,
  probe: (_, args) => sh`test -e /srv/pkg/${args.package}`,
  judge: ({ exitCode }, _, args) => (exitCode === 0 ? yes() : no('absent', args.package)),
  apply: (_, args) => script(first('pkg.install'), sh`mkdir -p /srv/pkg; : > /srv/pkg/${args.package}`),
  undo: (_, args) => script(sh`echo undo pkg.install >> /srv/log`, sh`rm -f /srv/pkg/${args.package}`),
});

const configure = operation('net.configure', z.object({ mtu: z.number() }), {
  brief: true,
  probe: () => sh`cat /srv/net.json`,
  judge: ({ stdout }, _, args) => same(stdout, JSON.stringify(args)),
  apply: (_, args) => {
    const change = writing('/srv/net.json', JSON.stringify(args));
    return script(first('net.configure'), change);
  },
  undo: 'restore',
  restored: () => script(sh`echo undo net.configure >> /srv/log`),
});

const createKey = operation('net.createKey', z.object({}), {
  brief: true,
  probe: () => sh`cat /srv/key`,
  judge: ({ exitCode, stdout }) => (exitCode === 0 ? yes({ 'net.key': stdout.trim() }) : no('no key', 'a key')),
  apply: (host) => ({
    ...script(first('net.createKey'), sh`echo key-of-${host.name}-$$ > /srv/key`),
    saves: ['/srv/key'],
  }),
  undo: 'restore',
});

const PEERS = '/srv/peers';
const peers = (self: string, keys: Readonly<Record<string, string>>) =>
  Object.keys(keys)
    .filter((host) => host !== self)
    .toSorted()
    .map((host) => `${host} ${keys[host]}`)
    .join('\n');

const join = operation('net.join', z.object({}), {
  brief: true,
  needs: ['net.key'],
  probe: () => sh`cat ${PEERS} 2>/dev/null || :`,
  judge: ({ stdout }, host, _, facts) => same(stdout, peers(host.name, facts['net.key'])),
  apply: (host, _, __, facts) => script(first('net.join'), writing(PEERS, peers(host.name, facts['net.key']))),
  undo: 'restore',
});

/** Its container carries the keyed hash of a configuration that holds a password. */
const start = operation('db.start', z.object({ version: z.string() }), {
  brief: true,
  probe: (_, { version }) => holds('/srv/db', text`${version} ${digest(text`password=${secret('db.password')}`)}\n`),
  judge: ({ exitCode }, _, args) => (exitCode === 0 ? yes() : no('absent', `db ${args.version}`)),
  apply: (_, { version }) =>
    script(
      first('db.start'),
      writing('/srv/db.conf', text`password=${secret('db.password')}\n`, { mode: '0600' }),
      writing('/srv/db', text`${version} ${digest(text`password=${secret('db.password')}`)}\n`),
      sh`echo "started with "${secret('db.password')}; test ! -e /srv/late/db.start`,
    ),
  undo: 'restore',
});

const initiate = operation('db.initiate', z.object({ set: z.string() }), {
  probe: () => sh`test -e /srv/db || exit 127; cat /shared/set 2>/dev/null || echo none`,
  judge: ({ stdout }, _, args) => (stdout.trim() === 'none' ? no('no set', args.set) : yes()),
  apply: (_, args) => script(first('db.initiate'), sh`mkdir -p /shared; echo ${args.set} > /shared/set`),
  undo: { irreversible: 'a set may hold data as soon as it exists' },
});

const label = operation('db.label', z.object({ zone: z.string() }), {
  brief: true,
  probe: () => sh`cat /srv/zone`,
  judge: ({ stdout }, _, args) => same(stdout.trim(), args.zone),
  apply: (_, args) => script(first('db.label'), sh`echo ${args.zone} > /srv/zone`),
  undo: () => script(sh`echo undo db.label >> /srv/log; rm -f /srv/zone`),
});

const healthy = operation('db.healthy', z.object({}), {
  kind: 'check',
  timeout: 6_000,
  probe: () => sh`echo asked >> /srv/checks; cat /srv/health 2>/dev/null || echo well`,
  judge: ({ stdout }) => (stdout.trim() === 'dunno' ? unknown('it does not say') : same(stdout.trim(), 'well')),
});

const operations: readonly Operation[] = [
  supported,
  install,
  configure,
  createKey,
  join,
  start,
  initiate,
  label,
  healthy,
] as never;

export const toys: readonly Role[] = [{ name: 'toys', config: z.unknown(), operations, stages: () => [] }];

/** Hosts in sites of the same size. */
export const hostsOf = (sites: number, each: number): readonly HostSpec[] =>
  Array.from({ length: sites * each }, (_, n) => ({
    name: `vm${n + 1}`,
    site: `site${Math.floor(n / each) + 1}`,
    index: n,
    address: `10.0.0.${n + 1}`,
    port: 22,
    user: 'vagrant',
    labels: {},
    access: { password: 'vm.password' },
  }));

/** One of everything that the interpreter knows. */
export function planOf(cluster: string, hosts: readonly HostSpec[] = hostsOf(2, 2), more: Partial<Plan> = {}): Plan {
  const secrets = ['db.password'];
  const all: readonly Stage[] = [
    supported.over(hosts, 'be a Debian', {}),
    install.over(hosts, 'install packages', { package: 'engine' }),
    configure.over(hosts, 'configure the engine', { mtu: 1400 }),
    createKey.over(hosts, 'create a key', {}),
    join.over(hosts, 'join the mesh', {}),
    start.over(hosts, 'start the database', { version: '4.4' }, { secrets }),
    initiate.over(
      hosts,
      'initiate the set',
      { set: 'rs0' },
      { barrier: { scope: 'cluster', on: 'one', order: 'all' } },
    ),
    label.over(
      hosts,
      'label the members',
      { zone: 'eu' },
      {
        barrier: { scope: 'site', on: 'each', order: { rolling: 5 }, gate: start.gate({ version: '4.4' }, secrets) },
      },
    ),
    healthy.over(
      hosts,
      'be healthy',
      {},
      { afterChange: true, barrier: { scope: 'cluster', on: 'each', order: 'all' } },
    ),
  ];
  const named = all.map((stage, n) => ({ ...stage, id: `0${n}-${stage.operation}` }));
  return {
    version: 1,
    cluster,
    purpose: 'apply',
    hosts,
    ...cut(named, new Map(operations.map((one) => [one.name, one]))),
    secrets: {
      'vm.password': { from: 'spec' },
      'db.password': { from: 'generated', length: 24, alphabet: 'alphanumeric' },
    },
    budget: Math.floor(hosts.length / 4),
    onFailure: 'rollback',
    patience: { Unreachable: [50, 50], StateUnknown: [50] },
    outputs: [],
    ...more,
  };
}

/** The same without what one host does for all, which nobody does while a host is parked. */
export function planOfEach(...given: Parameters<typeof planOf>): Plan {
  const plan = planOf(...given);
  const stages = plan.stages.filter((stage) => stage.scope === 'host' || stage.on !== 'one');
  const kept = new Set(stages.map(({ id }) => id));
  const segments = plan.segments
    .map((segment) => ({ ...segment, stages: segment.stages.filter((id) => kept.has(id)) }))
    .filter((segment) => segment.stages.length > 0);
  return { ...plan, stages, segments };
}
