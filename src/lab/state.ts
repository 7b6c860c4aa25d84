import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ImageSource } from './debian.ts';
import { LabError } from './errors.ts';
import { stateFile } from './place.ts';

/** What a lab is meant to be. What it is, the engine knows; `up` brings the two together. */
export interface LabState {
  version: 1;
  id: string;
  /** Socket of the engine, '' for the client's default. */
  engine: string;
  source: ImageSource;
  /** First two numbers of all its addresses. */
  block: string;
  sites: string[];
  hosts: HostState[];
  delayMs: number;
  lossPercent: number;
  /** Pairs of names (sites, hosts) that do not reach each other; a single name is cut off from all. */
  partitions: string[][];
}

export interface HostState {
  name: string;
  site: string;
  address: string;
  release: HostRelease;
  /** SHA256 fingerprint of the ed25519 host key, '' until the first boot. */
  hostKey: string;
}

export type HostRelease = 'bookworm' | 'trixie';

/** The lab's state, or undefined when this checkout has no lab. */
export function readState(): LabState | undefined {
  return existsSync(stateFile) ? parseState(readFileSync(stateFile, 'utf8')) : undefined;
}

export function writeState(state: LabState): void {
  mkdirSync(dirname(stateFile), { recursive: true });
  writeFileSync(`${stateFile}.part`, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(`${stateFile}.part`, stateFile);
}

export function removeState(): void {
  rmSync(stateFile, { force: true });
}

/** Reads a state file's text; a LabError when it is not one of this version. */
export function parseState(text: string): LabState {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!isState(value)) {
    throw new LabError(
      `The lab's state cannot be read (${stateFile})`,
      'Remove the lab with `farweave lab down`, then bring it up again.',
    );
  }
  return value;
}

function isState(value: unknown): value is LabState {
  if (typeof value !== 'object' || value === null) return false;
  const state = value as Partial<LabState>;
  return (
    state.version === 1 &&
    [state.id, state.engine, state.source, state.block].every((field) => typeof field === 'string') &&
    [state.delayMs, state.lossPercent].every((field) => typeof field === 'number') &&
    [state.sites, state.hosts, state.partitions].every((field) => Array.isArray(field)) &&
    (state.hosts ?? []).every((host) =>
      [host.name, host.site, host.address].every((field) => typeof field === 'string'),
    )
  );
}
