import { join } from 'node:path';
import { appImages } from './app-images.ts';
import { chooseSource, debianImage, type ImageSource } from './debian.ts';
import type { Engine } from './engine.ts';
import { LabError } from './errors.ts';
import { createHost, findPowers, waitForHost } from './hosts.ts';
import { ensureImage } from './image-cache.ts';
import { allowWatching } from './inotify.ts';
import { applyLine } from './line.ts';
import { withLock } from './lock.ts';
import { containerOf, labelOf, namesOf } from './names.ts';
import { findEngine, findRunningEngine, isOwnEngine, stopIdleEngine } from './own-engine.ts';
import { applyPartitions } from './partition.ts';
import { cacheFolder, labId } from './place.ts';
import { type Progress, step } from './progress.ts';
import { buildAll, fillRegistry, registryVolume } from './registry.ts';
import { grow, type Shape } from './shape.ts';
import { createGateway, createNetworks, gatewayAge, takenSubnets } from './sites.ts';
import { type HostRelease, type LabState, readState, removeState, writeState } from './state.ts';
import { chooseBlock } from './subnet.ts';
import { type Lab, view } from './view.ts';

export interface LabOptions extends Shape {
  /** Number of data centers, or their names; 3 (ams, fra, nyc) in a new lab. */
  sites?: number | readonly string[] | undefined;
  /** 1 in a new lab. A lab that is there only grows. */
  hostsPerSite?: number | undefined;
  /** One Debian release for all new hosts; by default they alternate. */
  release?: HostRelease | undefined;
  /** Delay between data centers, each way; 20 in a new lab. */
  delayMs?: number | undefined;
  /** Where images come from; found out by default. */
  source?: ImageSource | undefined;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

const DELAY_MS = 20;
const lockFile = join(cacheFolder, 'locks', labId);

/**
 * Brings the lab up, or what is missing of it: an engine, images, data centers, hosts, registry. Doing it twice changes
 * nothing. Throws a LabError that says what to do; what was made so far stays, and the next `up` goes on from there.
 */
export async function up(options: LabOptions): Promise<Lab> {
  const { progress, signal } = options;
  return withLock(lockFile, progress, async () => {
    const old = readState();
    const engine = await findEngine(progress, old?.engine);
    if (!old) await removeObjects(engine); // of a lab whose state was lost: nothing says any more how it was meant to be
    const state = await plan(engine, old, options);
    writeState(state);
    signal?.throwIfAborted();

    const images = await appImages(engine, state.source);
    const gateway = await debianImage(engine, state.source, 'gateway', 'gateway', 'trixie');
    const parts = {
      image: await ensureImage(engine, gateway, progress),
      volume: registryVolume(images, engine.arch),
    };
    // Hosts that are at work should miss their registry for seconds, not for the minutes that a build takes.
    if ((await gatewayAge(engine, state.id, parts)) === 'outdated') await buildAll(engine, images, progress);
    await createNetworks(engine, state);
    await createGateway(engine, state, parts);
    signal?.throwIfAborted();
    await startHosts(engine, state, progress);
    await applyLine(engine, state);
    await applyPartitions(engine, state, new Set(state.hosts.map((host) => host.name)));
    writeState(state);
    signal?.throwIfAborted();
    await fillRegistry(engine, state.id, images, progress);
    return view(engine, state);
  });
}

/** Removes the lab: hosts, networks, volumes, and the engine when the lab started it and no other lab uses it. */
export async function down(options: { progress: Progress }): Promise<void> {
  const { progress } = options;
  await withLock(lockFile, progress, async () => {
    const host = engineOfState();
    // The lab's own engine may have ended with the machine, but what it holds is still on the disk.
    const engine = isOwnEngine(host) ? await findEngine(progress, host) : await findRunningEngine(host);
    if (!engine && host !== undefined) progress('the Docker engine of this lab does not answer: nothing to remove');
    if (engine) {
      await step(progress, `removing lab ${labId}`, () => removeObjects(engine));
      await stopIdleEngine(engine, progress);
    }
    removeState();
  });
}

/** The engine and the state of the lab that is up; a LabError when there is none. */
export async function findLab(): Promise<{ engine: Engine; state: LabState }> {
  const state = readState();
  const engine = state && (await findRunningEngine(state.engine));
  if (!state || !engine) throw new LabError('The lab is not up', 'Bring it up with `farweave lab up`.');
  return { engine, state };
}

/** Changes the state of the lab that is up, and the lab with it, while no other process does. */
export async function withState(change: (engine: Engine, state: LabState) => Promise<void>): Promise<void> {
  await withLock(
    lockFile,
    () => undefined,
    async () => {
      const { engine, state } = await findLab();
      await change(engine, state);
      writeState(state);
    },
  );
}

/** Adds what the state lacks, and keeps what it has. */
async function plan(engine: Engine, old: LabState | undefined, options: LabOptions): Promise<LabState> {
  const block = old?.block ?? chooseBlock(await takenSubnets(engine), labId);
  if (!block) throw new LabError('No subnet is free for the lab', 'Remove Docker networks that nobody uses.');
  const source = options.source ?? old?.source ?? (await chooseSource(engine, options.progress));
  return {
    version: 1,
    id: labId,
    engine: engine.host,
    source,
    block,
    ...grow(block, old ?? { sites: [], hosts: [] }, options),
    delayMs: options.delayMs ?? old?.delayMs ?? DELAY_MS,
    lossPercent: old?.lossPercent ?? 0,
    partitions: old?.partitions ?? [],
  };
}

/** Creates and starts the hosts that are missing or stopped, all at once, and notes their keys. */
async function startHosts(engine: Engine, state: LabState, progress: Progress): Promise<void> {
  const there = await namesOf(engine, ['ps', '-a'], state.id);
  const missing = state.hosts.filter((host) => !there.has(containerOf(state.id, host.name)));
  const images = new Map<HostRelease, string>();
  for (const release of new Set(missing.map((host) => host.release))) {
    const recipe = await debianImage(engine, state.source, `host-${release}`, 'host', release);
    images.set(release, await ensureImage(engine, recipe, progress));
  }
  const [anyImage] = images.values();
  const powers = anyImage === undefined ? [] : await findPowers(engine, anyImage);
  const names = state.hosts.map((host) => host.name);
  allowWatching(names.length, progress);
  await step(progress, `starting ${names.length > 8 ? `${names.length} hosts` : names.join(', ')}`, async (detail) => {
    for (const host of missing) await createHost(engine, state, host, images.get(host.release) ?? '', powers);
    await Promise.all(
      state.hosts.map(async (host) => {
        await engine.docker(['start', containerOf(state.id, host.name)]);
        host.hostKey = await waitForHost(engine, state.id, host.name);
        detail(`${host.name} is up`);
      }),
    );
  });
}

async function removeObjects(engine: Engine): Promise<void> {
  const filter = ['--filter', `label=${labelOf(labId)}`];
  const ids = async (...listing: string[]) =>
    (await engine.docker([...listing, ...filter, '-q'])).split('\n').filter(Boolean);
  const containers = await ids('ps', '-a');
  if (containers.length > 0) await engine.docker(['rm', '--force', '--volumes', ...containers]);
  const volumes = await ids('volume', 'ls');
  if (volumes.length > 0) await engine.docker(['volume', 'rm', '--force', ...volumes]);
  const networks = await ids('network', 'ls');
  if (networks.length > 0) await engine.docker(['network', 'rm', ...networks]);
}

/** A state that cannot be read must not keep a lab from being removed: its objects carry its label. */
function engineOfState(): string | undefined {
  try {
    return readState()?.engine;
  } catch {
    return undefined;
  }
}
