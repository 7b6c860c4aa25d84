import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { MESH_INTERFACE, meshAddress, networkArgs, subnet } from '../network.ts';

/** The fact that holds a host's public key. */
export const PUBLIC_KEY = 'wireguard.publicKey';

/**
 * Whether it is a key and nothing else. It comes from a host and stands in the configuration of all others, which
 * wg-quick takes commands from: a host that somebody else rules must not write lines of its own there.
 */
export const isKey = (publicKey: string) => /^[A-Za-z0-9+/]{1,64}={0,2}$/.test(publicKey);

/** On the host, readable by root alone. */
export const KEY = `/etc/wireguard/${MESH_INTERFACE}.key`;

export const Mesh = z.object({
  network: networkArgs,
  port: z.number(),
  keepalive: z.number(),
  /** Every host of the mesh by name; `ssh`: its SSH port, if that is not 22. */
  hosts: z.record(z.string(), z.object({ index: z.number(), address: z.string(), ssh: z.number().exactOptional() })),
});

export type Mesh = z.infer<typeof Mesh>;

/** Another host, as seen from one. */
export interface Peer {
  readonly name: string;
  readonly publicKey: string;
  /** Where it is outside of the mesh. */
  readonly address: string;
  readonly meshAddress: string;
  readonly subnet: string;
}

/** All hosts but this one whose key is known, by index. */
export function peersOf(host: HostSpec, { network, hosts }: Mesh, keys: Readonly<Record<string, string>>): Peer[] {
  return Object.entries(hosts)
    .flatMap(([name, { index, address }]) => {
      const publicKey = keys[name];
      return name === host.name || !publicKey || !isKey(publicKey) ? [] : [{ name, index, address, publicKey }];
    })
    .toSorted((one, other) => one.index - other.index)
    .map(({ index, ...peer }) => ({
      ...peer,
      meshAddress: meshAddress(network, { index }),
      subnet: subnet(network, { index }),
    }));
}

/**
 * What wg-quick starts an interface from, and what `wg syncconf` makes of one that is up; the key is in neither.
 * One route leads to the whole range: the host's own subnet has a closer one, to its bridge.
 */
export function tunnel(host: HostSpec, mesh: Mesh, keys: Readonly<Record<string, string>>) {
  const peers = peersOf(host, mesh, keys);
  const { network, port, keepalive } = mesh;
  const own = meshAddress(network, host);
  const sections = peers.map(
    (peer) => `
# ${peer.name}
[Peer]
PublicKey = ${peer.publicKey}
Endpoint = ${endpoint(peer.address, port)}
AllowedIPs = ${peer.subnet}
PersistentKeepalive = ${keepalive}
`,
  );
  const synced = ['[Interface]\n', `ListenPort = ${port}\n`, ...sections].join('');
  const file = [
    '# Written by Farweave.\n[Interface]\n',
    `Address = ${own}/32\n`,
    `ListenPort = ${port}\n`,
    `MTU = ${network.mtu}\n`,
    'Table = off\n',
    `PostUp = wg set %i private-key ${KEY}\n`,
    `PostUp = ip route replace ${network.range} dev %i src ${own}\n`,
    ...sections,
  ].join('');
  return { peers, synced, file };
}

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
