import type { ImageSource } from './debian.ts';
import type { Engine } from './engine.ts';
import { SERVICE_PORT } from './hosts.ts';
import { containerOf } from './names.ts';
import { isReachable } from './sites.ts';
import type { HostRelease, HostState, LabState } from './state.ts';
import { gatewayAddress } from './subnet.ts';

/** The lab as those who use it see it. */
export interface Lab {
  id: string;
  sites: string[];
  hosts: LabHost[];
  /** "host:port" of the image registry (plain http), as the hosts reach it. */
  registry: string;
  /** Names to pull, registry included. */
  images: { mongodb: string; nodebb: string };
  source: ImageSource;
  /** Between data centers, each way. */
  delayMs: number;
  lossPercent: number;
  /** Pairs of names that do not reach each other; a single name is cut off from all. */
  partitions: string[][];
  /** Value of DOCKER_HOST for the engine that the lab lives in, '' for the client's default. */
  engine: string;
}

export interface LabHost {
  name: string;
  site: string;
  /** Its own address, under which the other hosts reach it. */
  address: string;
  /** Where this machine reaches its sshd: the same address and 22, unless the engine runs in a machine of its own. */
  sshAddress: string;
  port: number;
  /** `host:port` where this machine reaches what the host serves on 4567, if not at its own address. */
  front?: string;
  user: string;
  /** Of the user, for ssh and for sudo. */
  password: string;
  /** Fingerprint of its ed25519 host key: "SHA256:…". */
  hostKey: string;
  release: HostRelease;
  state: 'running' | 'stopped' | 'missing';
}

/** Asks the engine what is running and joins it with what the state knows. */
export async function view(engine: Engine, state: LabState): Promise<Lab> {
  const registry = registryOf(state);
  const states = await containerStates(engine, state.id);
  return {
    id: state.id,
    sites: state.sites,
    hosts: await Promise.all(state.hosts.map((host) => viewHost(engine, state, host, states))),
    registry,
    images: { mongodb: `${registry}/farweave-lab/mongo:4.4.2`, nodebb: `${registry}/farweave-lab/nodebb:1.4.0` },
    source: state.source,
    delayMs: state.delayMs,
    lossPercent: state.lossPercent,
    partitions: state.partitions,
    engine: engine.host,
  };
}

/** Where hosts reach the image registry. */
export const registryOf = ({ block }: Pick<LabState, 'block'>) => `${gatewayAddress(block, 0)}:5000`;

/** Names of the hosts that are running. */
export async function runningHosts(engine: Engine, state: LabState): Promise<Set<string>> {
  const states = await containerStates(engine, state.id);
  const names = state.hosts.map((host) => host.name);
  return new Set(names.filter((name) => states.get(containerOf(state.id, name)) === 'running'));
}

async function viewHost(
  engine: Engine,
  state: LabState,
  host: HostState,
  states: ReadonlyMap<string, string>,
): Promise<LabHost> {
  const container = containerOf(state.id, host.name);
  const is = states.get(container);
  const common = { ...host, user: 'vagrant', password: 'vagrant', sshAddress: host.address, port: 22 };
  if (is !== 'running') return { ...common, state: is === undefined ? 'missing' : 'stopped' };
  if (isReachable(state, state.sites.indexOf(host.site))) return { ...common, state: 'running' };
  const published = async (port: number) =>
    (await engine.attempt(['port', container, `${port}/tcp`])).stdout.split('\n')[0] || undefined;
  const [ssh, front] = await Promise.all([published(22), published(SERVICE_PORT)]);
  const port = Number(ssh?.split(':')[1]);
  return { ...common, sshAddress: '127.0.0.1', port, ...(front && { front }), state: 'running' };
}

async function containerStates(engine: Engine, id: string): Promise<Map<string, string>> {
  const filter = `label=farweave.lab=${id}`;
  const output = await engine.docker(['ps', '-a', '--filter', filter, '--format={{.Names}} {{.State}}']);
  const pairs = output
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' '));
  return new Map(pairs.map(([name = '', is = '']) => [name, is]));
}
