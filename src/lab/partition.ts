import type { Engine } from './engine.ts';
import { LabError } from './errors.ts';
import { containerOf, gatewayOf } from './names.ts';
import type { HostState, LabState } from './state.ts';
import { controllerAddress, siteSubnet } from './subnet.ts';

/** The machine that the lab runs on, as an end of a partition: no ssh from it, no packages through it. */
export const CONTROLLER = 'controller';

const PRIORITY = '100';
/** Frames to this address reach nobody; a locally administered address, so no real machine has it. */
const NOWHERE = '02:00:00:00:00:01';

/** What has to be cut: between data centers at the gateway, inside one (and to the controller) at the hosts. */
export interface Cuts {
  /** Pairs of subnets or addresses that the gateway drops traffic between, both ways. */
  routes: [string, string][];
  /** Neighbours that a host must not find. */
  neighbours: { host: string; address: string }[];
}

/** Works out the cuts for partitions; a LabError when a name is neither a host nor a data center of the lab. */
export function cutsOf(state: LabState, partitions: readonly (readonly string[])[]): Cuts {
  const cuts: Cuts = { routes: [], neighbours: [] };
  for (const [a = '', b] of partitions) {
    const from = endOf(state, a);
    const others = b === undefined ? state.sites.map((site) => endOf(state, site)) : [endOf(state, b)];
    for (const to of others) {
      if (from.site !== to.site && from.subnet && to.subnet) cuts.routes.push([from.subnet, to.subnet]);
      else if (!from.subnet || !to.subnet) cuts.neighbours.push(...controllerCuts(state, from.subnet ? from : to));
      else if (from.name !== to.name) cuts.neighbours.push(...neighbourCuts(from, to));
    }
  }
  return cuts;
}

/** Makes the network as the state says: what is cut stays or gets cut, all else is healed. */
export async function applyPartitions(engine: Engine, state: LabState, running: ReadonlySet<string>): Promise<void> {
  const cuts = cutsOf(state, state.partitions);
  const gateway = gatewayOf(state.id);
  const old = await engine.docker(['exec', gateway, 'ip', 'rule', 'show', 'priority', PRIORITY]);
  const rules = [
    ...old
      .split('\n')
      .filter(Boolean)
      .map(() => `rule del priority ${PRIORITY}`),
    ...cuts.routes.flatMap(([a, b]) => [
      `rule add from ${a} to ${b} blackhole priority ${PRIORITY}`,
      `rule add from ${b} to ${a} blackhole priority ${PRIORITY}`,
    ]),
  ];
  if (rules.length > 0) await batch(engine, gateway, rules);
  for (const host of state.hosts.filter(({ name }) => running.has(name))) {
    const container = containerOf(state.id, host.name);
    const poisoned = await engine.docker(['exec', container, 'ip', 'neigh', 'show', 'nud', 'permanent']);
    const healed = poisoned.split('\n').filter((line) => line.includes(NOWHERE));
    const cut = cuts.neighbours.filter((neighbour) => neighbour.host === host.name);
    const lines = [
      ...healed.map((line) => `neigh del ${line.split(' ')[0]} dev eth0`),
      ...cut.map(({ address }) => `neigh replace ${address} lladdr ${NOWHERE} nud permanent dev eth0`),
    ];
    if (lines.length > 0) await batch(engine, container, lines);
  }
}

interface End {
  name: string;
  site: string;
  /** Undefined for the controller. */
  subnet: string | undefined;
  hosts: HostState[];
}

function endOf(state: LabState, name: string): End {
  if (name === CONTROLLER) return { name, site: CONTROLLER, subnet: undefined, hosts: [] };
  const siteIndex = state.sites.indexOf(name);
  if (siteIndex >= 0) {
    const hosts = state.hosts.filter((host) => host.site === name);
    return { name, site: name, subnet: siteSubnet(state.block, siteIndex), hosts };
  }
  const host = state.hosts.find((candidate) => candidate.name === name);
  if (host) return { name, site: host.site, subnet: `${host.address}/32`, hosts: [host] };
  const known = [...state.sites, ...state.hosts.map((candidate) => candidate.name), CONTROLLER].join(', ');
  throw new LabError(`${name} is neither a host nor a data center of this lab`, `There are: ${known}`);
}

function controllerCuts(state: LabState, end: End): Cuts['neighbours'] {
  return end.hosts.map((host) => ({
    host: host.name,
    address: controllerAddress(state.block, state.sites.indexOf(host.site)),
  }));
}

function neighbourCuts(from: End, to: End): Cuts['neighbours'] {
  const pairs = from.hosts.flatMap((a) => to.hosts.filter((b) => b.name !== a.name).map((b) => [a, b] as const));
  return pairs.flatMap(([a, b]) => [
    { host: a.name, address: b.address },
    { host: b.name, address: a.address },
  ]);
}

async function batch(engine: Engine, container: string, lines: readonly string[]): Promise<void> {
  await engine.docker(['exec', '-i', container, 'ip', '-batch', '-'], { stdin: `${lines.join('\n')}\n` });
}
