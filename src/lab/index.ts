import type { Output } from './command.ts';
import { LabError } from './errors.ts';
import { findLab, type LabOptions, up } from './lab.ts';
import { containerOf } from './names.ts';
import { findRunningEngine } from './own-engine.ts';
import { type Capture, capture, type SniffOptions } from './sniff.ts';
import { type HostRelease, readState } from './state.ts';
import { type Lab, type LabHost, view } from './view.ts';

export type { Output } from './command.ts';
export type { ImageSource } from './debian.ts';
export { LabError } from './errors.ts';
export { delay, heal, kill, partition, reboot, start } from './faults.ts';
export { down, type LabOptions, up } from './lab.ts';
export { CONTROLLER } from './partition.ts';
export { serveServices } from './service-images.ts';
export type { Capture, SniffOptions } from './sniff.ts';
export type { HostRelease } from './state.ts';
export type { Lab, LabHost } from './view.ts';

/** The lab as it is now, or undefined when there is none, or its engine does not run. */
export async function status(): Promise<Lab | undefined> {
  const state = readState();
  const engine = state && (await findRunningEngine(state.engine));
  return state && engine && view(engine, state);
}

/** Runs a command in a host as root, by way of the engine: it works without ssh and under a partition. */
export async function exec(host: string, argv: readonly string[], input: { stdin?: string } = {}): Promise<Output> {
  const { engine, state } = await findLab();
  const interactive = input.stdin === undefined ? [] : ['-i'];
  return engine.attempt(['exec', ...interactive, containerOf(state.id, host), ...argv], input);
}

/**
 * Adds a host to a data center (a new one, if none has that name); returns it when it is up.
 * @public
 */
export async function addHost(
  site: string,
  options: Pick<LabOptions, 'progress'> & { release?: HostRelease },
): Promise<LabHost> {
  const { state } = await findLab();
  const inSite = state.hosts.filter((host) => host.site === site).length;
  const lab = await up({ ...options, sites: [site], hostsPerSite: inSite + 1 });
  const host = lab.hosts.findLast((candidate) => candidate.site === site);
  if (!host) throw new LabError(`No host was added to ${site}`, 'See `farweave lab status`.');
  return host;
}

/** Captures what passes between the data centers and counts the packets that hold a marker. */
export async function sniff(options: SniffOptions): Promise<Capture> {
  const { engine, state } = await findLab();
  return capture(engine, state.id, options);
}
