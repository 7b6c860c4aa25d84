import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Engine } from './engine.ts';
import { gatewayOf, labelOf, namesOf, networkOf } from './names.ts';
import type { LabState } from './state.ts';
import { controllerAddress, gatewayAddress, siteSubnet } from './subnet.ts';

/** From this version on, Docker drops routed traffic to containers unless a network says otherwise. */
const FIRST_GUARDED_VERSION = 27;

/** The subnets that are in use on this machine and in the engine. */
export async function takenSubnets(engine: Engine): Promise<string[]> {
  const ids = (await engine.docker(['network', 'ls', '-q'])).split('\n').filter(Boolean);
  const format = '{{range .IPAM.Config}}{{println .Subnet}}{{end}}';
  const networks = await engine.docker(['network', 'inspect', `--format=${format}`, ...ids]);
  const interfaces = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const own = interfaces.flatMap((item) => (item.family === 'IPv4' && item.cidr ? [item.cidr] : []));
  return [...networks.split('\n').filter((line) => /^[\d.]+\/\d+$/.test(line)), ...own];
}

/** Makes the data centers' networks that are missing. */
export async function createNetworks(engine: Engine, state: LabState): Promise<void> {
  const there = await namesOf(engine, ['network', 'ls'], state.id);
  const mtu = outerMtu();
  for (const [index, site] of state.sites.entries()) {
    if (there.has(networkOf(state.id, site))) continue;
    await engine.docker([
      'network',
      'create',
      `--label=${labelOf(state.id)}`,
      `--label=farweave.site=${site}`,
      `--subnet=${siteSubnet(state.block, index)}`,
      `--gateway=${controllerAddress(state.block, index)}`,
      ...(mtu ? ['-o', `com.docker.network.driver.mtu=${mtu}`] : []),
      ...(engine.version >= FIRST_GUARDED_VERSION
        ? ['-o', 'com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected']
        : []),
      networkOf(state.id, site),
    ]);
  }
}

/** What a gateway is made from. */
export interface GatewayParts {
  image: string;
  /** The volume that holds what its registry serves. */
  volume: string;
}

/** Whether there is a gateway, and made from these parts. */
export async function gatewayAge(
  engine: Engine,
  id: string,
  parts: GatewayParts,
): Promise<'missing' | 'outdated' | 'current'> {
  const format = '{{index .Config.Labels "farweave.gateway"}}';
  const { exitCode, stdout } = await engine.attempt(['inspect', `--format=${format}`, gatewayOf(id)]);
  if (exitCode !== 0) return 'missing';
  return stdout.trim() === madeFrom(parts) ? 'current' : 'outdated';
}

/**
 * Makes and starts the gateway, with a leg in every data center. An outdated one is replaced: it keeps nothing that
 * cannot be set again.
 */
export async function createGateway(engine: Engine, state: LabState, parts: GatewayParts): Promise<void> {
  const name = gatewayOf(state.id);
  const [firstSite = ''] = state.sites;
  const age = await gatewayAge(engine, state.id, parts);
  if (age === 'outdated') await engine.docker(['rm', '--force', name]);
  if (age !== 'current') {
    await engine.docker([
      'create',
      `--name=${name}`,
      '--hostname=gateway',
      '--init',
      `--label=${labelOf(state.id)}`,
      `--label=farweave.gateway=${madeFrom(parts)}`,
      `--network=${networkOf(state.id, firstSite)}`,
      `--ip=${gatewayAddress(state.block, 0)}`,
      '--cap-add=NET_ADMIN',
      '--cap-add=NET_RAW',
      '--cap-add=SYS_NICE',
      '--device=/dev/net/tun',
      '--sysctl=net.ipv4.ip_forward=1',
      '--sysctl=net.ipv4.conf.all.rp_filter=0',
      '--sysctl=net.ipv4.conf.default.rp_filter=0',
      '--sysctl=net.ipv4.conf.all.send_redirects=0',
      '--publish=127.0.0.1::5000',
      `--volume=${parts.volume}:/var/lib/registry`,
      parts.image,
    ]);
  }
  const format = '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}';
  const legs = (await engine.docker(['inspect', `--format=${format}`, name])).split('\n');
  for (const [index, site] of state.sites.entries()) {
    if (legs.includes(networkOf(state.id, site))) continue;
    const address = gatewayAddress(state.block, index);
    await engine.docker(['network', 'connect', `--ip=${address}`, networkOf(state.id, site), name]);
  }
  await engine.docker(['start', name]);
}

const madeFrom = (parts: GatewayParts): string => `${parts.image} ${parts.volume}`;

/** True when this machine has an address in the data center, and so reaches its hosts without published ports. */
export function isReachable(state: LabState, siteIndex: number): boolean {
  const own = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((item) => item.address));
  return own.includes(controllerAddress(state.block, siteIndex));
}

/** The MTU of this machine's way out: hosts that sent larger packets would lose them silently. */
function outerMtu(): string | undefined {
  try {
    const routes = readFileSync('/proc/net/route', 'utf8')
      .split('\n')
      .map((line) => line.split('\t'));
    const device = routes.find(([, destination]) => destination === '00000000')?.[0];
    return device && readFileSync(`/sys/class/net/${device}/mtu`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
