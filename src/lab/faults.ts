import { LabError } from './errors.ts';
import { waitForHost } from './hosts.ts';
import { findLab, withState } from './lab.ts';
import { applyLine } from './line.ts';
import { containerOf } from './names.ts';
import { applyPartitions, cutsOf } from './partition.ts';
import type { LabState } from './state.ts';
import { runningHosts } from './view.ts';

/** Seconds that an orderly shutdown may take before it becomes a power cut. */
const SHUTDOWN_SECONDS = 60;

/** Restarts a host in order, as `reboot` would; resolves when it answers again. */
export async function reboot(host: string): Promise<void> {
  const { engine, state } = await findLab();
  const container = containerOf(state.id, known(state, host));
  await engine.docker(['restart', '--time', String(SHUTDOWN_SECONDS), container]);
  await settle(host);
}

/** Cuts the power of a host: nothing on it gets to finish. */
export async function kill(host: string): Promise<void> {
  const { engine, state } = await findLab();
  if ((await runningHosts(engine, state)).has(known(state, host))) {
    await engine.docker(['kill', containerOf(state.id, host)]);
  }
}

/** Switches a host on; resolves when it answers. */
export async function start(host: string): Promise<void> {
  const { engine, state } = await findLab();
  await engine.docker(['start', containerOf(state.id, known(state, host))]);
  await settle(host);
}

/**
 * Cuts the network between two ends, silently as a broken line does, until `heal`. An end is a host, a data center or
 * `controller` (this machine); a single end is cut off from all hosts that are not part of it.
 */
export async function partition(a: string, b?: string): Promise<void> {
  await withState(async (engine, state) => {
    const added = b === undefined ? [a] : [a, b];
    cutsOf(state, [added]); // complains about unknown names before anything is changed
    state.partitions = [...state.partitions, added];
    await applyPartitions(engine, state, await runningHosts(engine, state));
  });
}

/** Ends all partitions. */
export async function heal(): Promise<void> {
  await withState(async (engine, state) => {
    state.partitions = [];
    await applyPartitions(engine, state, await runningHosts(engine, state));
  });
}

/** Sets the delay between data centers (milliseconds each way), and the share of packets that get lost. */
export async function delay(delayMs: number, lossPercent = 0): Promise<void> {
  if (!(delayMs >= 0 && delayMs <= 10_000 && lossPercent >= 0 && lossPercent <= 100)) {
    throw new LabError(`A delay of ${delayMs} ms with a loss of ${lossPercent} % makes no sense`, 'Try 20 and 0.');
  }
  await withState(async (engine, state) => {
    Object.assign(state, { delayMs, lossPercent });
    await applyLine(engine, state);
  });
}

/** Waits until a host that was switched on has booted, and cuts again what is meant to be cut. */
async function settle(host: string): Promise<void> {
  const { engine, state } = await findLab();
  await waitForHost(engine, state.id, host);
  if (state.partitions.length > 0) await applyPartitions(engine, state, await runningHosts(engine, state));
}

function known(state: LabState, host: string): string {
  const names = state.hosts.map(({ name }) => name);
  if (names.includes(host)) return host;
  throw new LabError(`${host} is no host of this lab`, `There are: ${names.join(', ')}`);
}
