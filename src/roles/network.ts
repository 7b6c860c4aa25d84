import * as z from 'zod';
import type { HostSpec } from '../plan/plan.ts';

/** What every driver gives, as data: it travels in the arguments of operations (where an interface would not pass as Json). */
export type Network = {
  readonly driver: 'wireguard';
  /** The mesh's address range in CIDR notation, such as `10.200.0.0/16`. */
  readonly range: string;
  /** Prefix length of one host's subnet, such as 24. */
  readonly prefix: number;
  /** Every name of the cluster ends in it, such as `farweave.local`. */
  readonly domain: string;
  readonly mtu: number;
};

/** A network as it stands in an operation's arguments. */
export const networkArgs: z.ZodType<Network> = z.object({
  driver: z.literal('wireguard'),
  range: z.string(),
  prefix: z.number(),
  domain: z.string(),
  mtu: z.number(),
});

/** A name under the cluster's domain. The same name with several addresses is round robin. */
export interface DnsRecord {
  /** Without the domain: `node0`. */
  readonly name: string;
  readonly address: string;
}

/** The Docker network on every host. */
export const BRIDGE = 'farweave';

/** The interface of that network, and the interface of the mesh. */
export const BRIDGE_INTERFACE = 'farweave0';
export const MESH_INTERFACE = 'fw0';

/**
 * On every host: where its containers ask for names. Docker's own server between them and ours would answer a host name
 * that several hosts have with the container on the same host alone.
 */
export const RESOLVER = '/etc/farweave/resolv.conf';

/** Fixed places of containers in their host's subnet. The host's own addresses are the first (bridge) and the last (mesh) one. */
export const SLOTS = { mongodb: 10, nodebb: 20 } as const;

/** The subnet of a host: `10.200.3.0/24`. */
export function subnet(network: Network, host: Pick<HostSpec, 'index'>): string {
  return `${address(network, host, 0)}/${network.prefix}`;
}

/** An address in a host's subnet, by its place; negative places count from the end (-1 is the broadcast address). */
export function address(network: Network, host: Pick<HostSpec, 'index'>, place: number): string {
  const size = 2 ** (32 - network.prefix);
  return format(parse(network.range.split('/')[0]!) + host.index * size + (place < 0 ? size + place : place));
}

/** Where a host's containers find the host itself: gateway and name server. */
export const gateway = (network: Network, host: Pick<HostSpec, 'index'>) => address(network, host, 1);

/** The host's own address in the mesh. */
export const meshAddress = (network: Network, host: Pick<HostSpec, 'index'>) => address(network, host, -2);

/** The flags with which `docker run` puts a container on the network, under a host name that is also its DNS name. */
export function joining(
  network: Network,
  host: Pick<HostSpec, 'index'>,
  name: string,
  slot: number,
): readonly string[] {
  return [
    `--network=${BRIDGE}`,
    `--ip=${address(network, host, slot)}`,
    `--hostname=${name}.${network.domain}`,
    `--mount=type=bind,source=${RESOLVER},target=/etc/resolv.conf,readonly`,
  ];
}

function parse(dotted: string): number {
  return dotted.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
}

function format(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
