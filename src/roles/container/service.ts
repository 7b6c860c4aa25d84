import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { type Command, sh, type Text, text } from '../../ssh/command.ts';
import type { Container } from '../container.ts';
import { address, joining, type Network, networkArgs } from '../network.ts';
import { Given, textOf } from '../value.ts';
import { publishing } from './ports.ts';

/** A service as its operations get it. */
export const Service = z.object({
  cluster: z.string(),
  name: z.string(),
  image: z.string(),
  command: z.array(z.string()),
  entrypoint: z.string().exactOptional(),
  env: z.record(z.string(), Given),
  /** Path inside the container → content. */
  files: z.record(z.string(), Given),
  ports: z.array(z.string()),
  /** Path inside the container → what stands there. */
  volumes: z.record(z.string(), z.object({ from: z.string(), readOnly: z.boolean() })),
  user: z.string().exactOptional(),
  flags: z.array(z.string()),
  stop: z.number(),
  /** Place in the host's subnet. */
  slot: z.number(),
  network: networkArgs,
});
export type Service = z.infer<typeof Service>;

export const ROLE = 'container';

/** Holds a folder for each service, with all that it is made from. Root's alone: there are secrets in it. */
export const FOLDER = `/etc/farweave/${ROLE}`;
/** Holds the folders that services name, which outlive them. */
export const DATA = '/var/lib/farweave-data';

/** The first place for services where a subnet is of a common size, and where it is small: below are those of roles, and of containers that come and go. */
const FIRST = { common: 32, small: 21 } as const;

/** The places in a host's subnet that services may have, from the first to the last. */
export function slots({ prefix }: Pick<Network, 'prefix'>): { readonly first: number; readonly last: number } {
  const size = 2 ** (32 - prefix);
  return { first: size >= 64 ? FIRST.common : FIRST.small, last: size - 3 };
}

/**
 * The place that a service has unless it is told: from its name alone, so that no other service ever moves it.
 * Two names may meet; the spec is refused then, and one of them given a place.
 */
function slotOf(name: string, network: Pick<Network, 'prefix'>): number {
  const { first, last } = slots(network);
  const fold = (hash: number, code: number) => Math.imul(hash ^ code, 0x01000193) >>> 0; // FNV-1a
  const hash = Array.from(name, (letter) => letter.charCodeAt(0)).reduce(fold, 0x811c9dc5);
  return first + (((hash ^ (hash >>> 15)) >>> 0) % (last - first + 1));
}

/** The place of a service, told or not. */
export const placeOf = (name: string, { slot }: { readonly slot?: number | undefined }, network: Network) =>
  slot ?? slotOf(name, network);

/** Where a service listens on a host. */
export const addressOf = (host: Pick<HostSpec, 'index'>, { network, slot }: Pick<Service, 'network' | 'slot'>) =>
  address(network, host, slot);

/** The folder of a service on its hosts, for what it is made from. */
export const folderOf = ({ name }: Pick<Service, 'name'>) => `${FOLDER}/${name}`;

/** The file with its environment, and those that it is to find inside. By their paths on the host. */
export function filesOf(
  host: HostSpec,
  service: Service,
): readonly { readonly path: string; readonly content: Text }[] {
  return [
    { path: environmentPath(service), content: environmentOf(host, service) },
    ...Object.entries(service.files).map(([path, content]) => ({
      path: insidePath(service, path),
      content: textOf(content),
    })),
  ];
}

/** Makes the folders that its volumes name. Those that stand on the host already belong to somebody else. */
export function makingFolders(service: Service): Command {
  const [uid = '0', gid = '0'] = service.user?.split(':') ?? [];
  const named = Object.values(service.volumes).filter(({ from }) => !from.startsWith('/'));
  const folders = named.map(({ from }) => volumePath(service, from));
  return folders.length === 0
    ? sh`:`
    : sh`install -d -m 0711 ${DATA} ${`${DATA}/${service.name}`} && install -d -o ${uid} -g ${gid} ${folders}`;
}

/** The container of a service on a host. */
export function containerOf(host: HostSpec, service: Service): Container {
  const { name, cluster, image, command, entrypoint, files, ports, volumes, user, flags, stop, slot, network } =
    service;
  return {
    name,
    role: ROLE,
    folder: `${ROLE}/${name}`,
    cluster,
    image,
    stop,
    flags: [
      ...joining(network, host, name, slot),
      `--env-file=${environmentPath(service)}`,
      `--stop-timeout=${stop}`,
      ...ports.map((port) => `--publish=${publishing(port)}`),
      ...Object.entries(volumes).map(([target, { from, readOnly }]) =>
        mount(volumePath(service, from), target, readOnly),
      ),
      ...Object.keys(files).map((path) => mount(insidePath(service, path), path, true)),
      ...(user === undefined ? [] : [`--user=${user}`]),
      ...(entrypoint === undefined ? [] : [`--entrypoint=${entrypoint}`]),
      ...flags,
    ],
    command,
    reads: filesOf(host, service).flatMap(({ content }) => content),
  };
}

/** How many variables every container has, beside those of the spec. */
export const OWN = 3;

/** As `docker run --env-file` reads it. */
function environmentOf(host: HostSpec, service: Service): Text {
  const own = { FARWEAVE_HOST: host.name, FARWEAVE_SITE: host.site, FARWEAVE_ADDRESS: addressOf(host, service) };
  return Object.entries({ ...own, ...service.env }).flatMap(([name, value]) => text`${name}=${textOf(value)}\n`);
}

const environmentPath = (service: Service) => `${folderOf(service)}/environment`;
const insidePath = (service: Service, path: string) => `${folderOf(service)}/files${path}`;
const volumePath = ({ name }: Service, from: string) => (from.startsWith('/') ? from : `${DATA}/${name}/${from}`);
const mount = (source: string, target: string, readOnly: boolean) =>
  `--mount=type=bind,source=${source},target=${target}${readOnly ? ',readonly' : ''}`;
