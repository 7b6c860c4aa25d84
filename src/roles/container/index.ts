import type { HostSpec, Stage } from '../../plan/plan.ts';
import { docker } from '../docker/index.ts';
import { minority } from '../operation.ts';
import { placed } from '../placement.ts';
import type { Context, Role } from '../role.ts';
import { section as script } from '../script/config.ts';
import { scriptsAfter } from '../script/stages.ts';
import { given, origins, secretsIn } from '../value.ts';
import { type Config, section, type Service as Wanted } from './config.ts';
import { type Health, healthy } from './health.ts';
import { cleared, erased, pulled, start, unclaimed } from './operations.ts';
import { published } from './ports.ts';
import { problems } from './problems.ts';
import { addressOf, placeOf, type Service } from './service.ts';

/** Where names of a service's secrets begin. */
const ownerOf = (name: string) => `container.${name}`;

/** Containers of one's own: a service on each of its hosts, under one name. */
export const container: Role<Config> = {
  ...section,
  operations: [unclaimed, cleared, pulled, start, healthy, erased],
  validate: (config, context) => problems(config, context),
  records: (config, { hosts, network }) =>
    Object.entries(config).flatMap(([name, wanted]) =>
      placed(wanted, hosts).map((host) => ({
        name,
        address: addressOf(host, { network, slot: placeOf(name, wanted, network) }),
      })),
    ),
  secrets: (config) =>
    Object.assign(
      {},
      ...Object.entries(config).flatMap(([name, { env, files }]) =>
        [env, files].map((some) => origins(ownerOf(name), some)),
      ),
    ),
  stages,
  leave: (_, { cluster, leaving }) => [cleared.over(leaving, 'remove services', { cluster, services: {} })],
  erase: (_, { on }) => [erased.over(on, 'erase the data of services', {})],
  outputs,
};

function stages(config: Config, context: Context): readonly Stage[] {
  const { cluster, hosts, network } = context;
  const scripts = context.section(script) ?? {};
  const services = Object.entries(config).map(([name, wanted]) => ({ name, wanted, on: placed(wanted, hosts) }));
  const named = (where: (on: readonly HostSpec[]) => string[] | null) => ({
    cluster,
    services: Object.fromEntries(services.map(({ name, on }) => [name, where(on)])),
  });
  const here = named((on) => (on.length === hosts.length ? null : on.map((host) => host.name)));
  const engines = context.hostsOf(docker);
  const used = hosts.filter((host) => services.some(({ on }) => on.includes(host)));
  return [
    unclaimed.over(used, 'check for containers of others', here),
    // Their ports and places may be wanted by what follows.
    cleared.over(
      engines,
      'remove services that are gone',
      named(() => null),
    ),
    ...services.map(({ name, wanted, on }) => pulled.over(on, `pull ${name}`, { image: wanted.image })),
    ...services.flatMap(({ name, wanted, on }) => [
      ...stagesOf(serviceOf(name, wanted, { cluster, network }), wanted, on),
      ...scriptsAfter(name, scripts, context),
    ]),
    // Only now: until here a service that has moved still ran where it was. One that is everywhere cannot have moved.
    ...(used.some((host) => services.some(({ on }) => !on.includes(host)))
      ? [cleared.over(engines, 'remove services from other hosts', here)]
      : []),
  ];
}

function stagesOf(service: Service, { health, order, spare }: Wanted, on: readonly HostSpec[]): readonly Stage[] {
  const { name, slot, network } = service;
  const { within, ...way } = health;
  const asked: Health = { name, slot, network, ...way };
  const gate = healthy.gate(asked, [], within);
  return [
    start.over(on, `start ${name}`, service, {
      secrets: [...new Set([service.env, service.files].flatMap(secretsIn))],
      barrier: { scope: 'cluster', on: 'each', order, gate },
    }),
    healthy.over(on, `wait for ${name}`, asked, {
      timeout: within,
      spare: spare ?? minority(on.length),
      barrier: { scope: 'cluster', on: 'each', order: 'all' },
    }),
  ];
}

function serviceOf(name: string, wanted: Wanted, { cluster, network }: Pick<Context, 'cluster' | 'network'>): Service {
  const { image, command, entrypoint, env, files, ports, volumes, user, flags, stop } = wanted;
  return {
    cluster,
    name,
    image,
    command,
    ...(entrypoint !== undefined && { entrypoint }),
    env: given(ownerOf(name), env),
    files: given(ownerOf(name), files),
    ports,
    volumes: Object.fromEntries(
      Object.entries(volumes).map(([path, volume]) => [
        path,
        typeof volume === 'string' ? { from: volume, readOnly: false } : volume,
      ]),
    ),
    ...(user !== undefined && { user }),
    flags,
    stop,
    slot: placeOf(name, wanted, network),
    network,
  };
}

/** Where what is published can be reached from outside. */
function outputs(config: Config, { hosts }: Context): readonly { readonly title: string; readonly value: string }[] {
  return Object.entries(config).flatMap(([name, wanted]) =>
    placed(wanted, hosts).flatMap((host) =>
      wanted.ports
        .map(published)
        .filter(({ ip }) => !ip?.startsWith('127.'))
        .map(({ ip = host.address, port }) => ({
          title: `${name} on ${host.name}`,
          value: `${ip.includes(':') ? `[${ip}]` : ip}:${port}`,
        })),
    ),
  );
}
