import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { type Network, SLOTS } from '../network.ts';
import type { Context, Problem, Role } from '../role.ts';
import { install, join, key } from './operations.ts';
import { encrypted, meshed } from './proof.ts';
import type { Mesh } from './tunnel.ts';

const NetworkSection = z
  .strictObject({
    driver: z.literal('wireguard').default('wireguard').describe('What carries the mesh.'),
    range: z.cidrv4().default('10.200.0.0/16').describe('Address range of the mesh, cut into one subnet a host.'),
    prefix: z.int().min(16).max(27).default(24).describe("Prefix length of a host's subnet."),
    domain: z
      .string()
      .regex(/^(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*$/, 'wants a domain in lower case')
      .default('farweave.local')
      .describe('Every name of the cluster ends in it.'),
    port: z.int().min(1).max(65535).default(51820).describe('UDP port that hosts listen on for each other.'),
    mtu: z
      .int()
      .min(1280)
      .max(8920)
      .default(1320)
      .describe(
        "MTU inside the mesh: 80 less than the smallest MTU between two hosts. The default suits clouds' 1400.",
      ),
    endpoints: z
      .record(z.string(), z.union([z.ipv4(), z.ipv6(), z.hostname()], 'wants an address or a DNS name, without a port'))
      .default({})
      .describe('Where the other hosts reach a host, by its name. Default: where SSH reaches it.'),
    keepalive: z
      .int()
      .min(1)
      .max(600)
      .default(25)
      .describe('Seconds between packets that keep a path through NAT open.'),
  })
  .describe('The encrypted mesh between all hosts.');

type NetworkSection = z.infer<typeof NetworkSection>;

/** The network: an encrypted tunnel between any two hosts. */
export const wireguard: Role<NetworkSection> = {
  name: 'wireguard',
  section: ['network'],
  always: true,
  config: NetworkSection,
  operations: [install, key, join, meshed, encrypted],
  validate: (config, { hosts }) => [
    ...rangeProblems(config),
    ...hostProblems(config, hosts),
    ...sharedEndpoints(config, hosts),
    ...Object.keys(config.endpoints)
      .filter((name) => !hosts.some((host) => host.name === name))
      .map((name): Problem => ({ severity: 'error', path: ['endpoints', name], message: `no host is called ${name}` })),
  ],
  network: ({ driver, range, prefix, domain, mtu }): Network => ({ driver, range, prefix, domain, mtu }),
  stages: (config, context) => {
    const { on, leaving } = context;
    // Who leaves is a part of the mesh until nobody needs it there.
    const mesh = meshOf(config, context, [...on, ...leaving]);
    const all = { scope: 'cluster', on: 'each', order: 'all' } as const;
    return [
      install.over(on, 'install WireGuard', {}),
      key.over(on, 'make a WireGuard key', {}),
      join.over(on, 'join the mesh', mesh),
      meshed.over(on, 'reach every host through the mesh', mesh, { barrier: all }),
      encrypted.over(on, 'prove that the mesh is encrypted', mesh, { afterChange: true, barrier: all }),
    ];
  },
  leave: (config, context) => [
    join.over(context.on, 'drop hosts that leave from the mesh', meshOf(config, context, context.on)),
  ],
};

function meshOf({ port, keepalive, ...config }: NetworkSection, context: Context, hosts: readonly HostSpec[]): Mesh {
  const endpoints = { ...context.formerSection(wireguard)?.endpoints, ...config.endpoints };
  const { network } = context;
  // At an endpoint of its own a host may be behind another machine, which alone knows of that port.
  const hasSshPort = (name: string, ssh: number) => ssh !== 22 && endpoints[name] === undefined;
  const peers = hosts.map(({ name, index, address, port: ssh }) => [
    name,
    { index, address: endpoints[name] ?? address, ...(hasSshPort(name, ssh) && { ssh }) },
  ]);
  return { network, port, keepalive, hosts: Object.fromEntries(peers) };
}

function rangeProblems({ range, prefix }: NetworkSection): Problem[] {
  const [first, length] = parse(range);
  return [
    ...(first % 2 ** (32 - length) === 0 ? [] : [error('range', `${range} does not begin at a multiple of its size`)]),
    ...(prefix > length ? [] : [error('prefix', `a /${prefix} is not a part of ${range}`)]),
    ...(2 ** (32 - prefix) > Math.max(...Object.values(SLOTS)) + 3
      ? []
      : [error('prefix', `a /${prefix} has too few addresses for the containers of a host`)]),
  ];
}

function hostProblems({ range, prefix }: NetworkSection, hosts: Context['hosts']): Problem[] {
  const [first, length] = parse(range);
  const inside = (address: string) =>
    z.ipv4().safeParse(address).success && Math.floor((parse(`${address}/32`)[0] - first) / 2 ** (32 - length)) === 0;
  const room = 2 ** Math.max(0, prefix - length);
  const beyond = hosts.find((host) => host.index >= room);
  return [
    ...hosts
      .filter((host) => inside(host.address))
      .map((host) => error('range', `${host.name} has its own address ${host.address} in ${range}`)),
    ...(beyond
      ? [error('range', `${range} has room for ${room} hosts, and ${beyond.name} is number ${beyond.index + 1}`)]
      : []),
  ];
}

/** Hosts behind one address differ in the port of SSH only: the mesh has one port for all. */
function sharedEndpoints({ endpoints }: NetworkSection, hosts: Context['hosts']): Problem[] {
  const places = Map.groupBy(hosts, ({ name, address }) => endpoints[name] ?? address);
  return [...places].flatMap(([place, there]) =>
    there.length < 2
      ? []
      : [error('endpoints', `${there.map(({ name }) => name).join(' and ')} would both be reached at ${place}`)],
  );
}

function error(field: keyof NetworkSection, message: string): Problem {
  return { severity: 'error', path: [field], message };
}

/** First address as a number, and prefix length. */
function parse(cidr: string): [number, number] {
  const [address = '', length] = cidr.split('/');
  return [address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0), Number(length)];
}
