import { defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Sealed } from '../activities/contract.ts';
import type { HostChange } from '../spec/change.ts';
import type { Kept } from '../spec/kept.ts';
import type { Note } from './records.ts';

// ---- cluster:<name>, as its hosts come and go ----

/** A cluster.yaml that was applied. */
export type Wanted = Kept;

/** The cluster.yaml that hosts are leaving, as long as they have not left. */
export interface Former extends Kept {
  /** Even where a service loses its quorum by it. */
  readonly forced?: true;
  /** Their data is erased. */
  readonly data?: true;
}

/**
 * - `asking`: somebody must say whether the key that the host shows is its own.
 * - `waiting`: for its turn. `planning` → `running` → `done` | `failed`.
 * - `refused`: the cluster would not be one with it. `withdrawn`: somebody took it back.
 */
export type HostRequestState =
  | 'asking'
  | 'waiting'
  | 'planning'
  | 'running'
  | 'done'
  | 'failed'
  | 'refused'
  | 'withdrawn';

/** A change of hosts that somebody has asked for. */
export interface HostRequest {
  readonly id: string;
  readonly change: HostChange;
  readonly by: string;
  readonly reason?: string;
  /** ISO 8601. */
  readonly at: string;
  readonly state: HostRequestState;
  readonly forced?: true;
  readonly data?: true;
  /** Of the rollout that brings it about, or did. */
  readonly revision?: number;
  /** Why it stands so, where that is not plain. */
  readonly said?: string;
  /** Nothing came of it: the cluster is as it was. */
  readonly void?: true;
  /** The key that the host shows, and that nobody has approved yet. */
  readonly shownKey?: string;
  /** The host's own secrets, until it comes. Not shown. */
  readonly sealed?: Sealed;
}

/** What people may ask for. A signal brings no secrets but entries of the workers' allowlist. */
export interface HostControls {
  addHost: Note & Brought & { readonly host: Added };
  removeHost: Note & Leaving & { readonly hosts: readonly string[] };
  /** Another machine takes the place of a host: `with` may have the same name. */
  replaceHost: Note & Brought & Leaving & { readonly host: string; readonly with: Added };
  /** The key that the host of a request shows is its own. */
  approveHost: Note & { readonly id: string };
  /** Takes back a request that has not begun. */
  withdrawHost: Note & { readonly id: string };
}

interface Leaving {
  /** Even where a service loses its quorum by it. */
  readonly forced?: boolean;
  /** What the services have kept on it is erased too. */
  readonly data?: boolean;
}

export type Added = Extract<HostChange, { add: unknown }>['add'][number];

interface Brought {
  /** The host's own secrets, `access.vm3.password`, sealed by the client. */
  readonly sealed?: Sealed;
}

export interface HostReply {
  readonly id: string;
  /** What becomes of it, as a sentence. */
  readonly said: string;
}

/** Answers when the request is taken on, not when it is carried out: the cluster's status tells of it by its id. */
export const hostUpdate = <Name extends keyof HostControls>(name: Name) =>
  defineUpdate<HostReply, [HostControls[Name]], Name>(name);
export const hostSignal = <Name extends keyof HostControls>(name: Name) =>
  defineSignal<[HostControls[Name]], Name>(name);

/** Whether it is to be carried out, and has not begun. */
export const isPending = ({ state }: Pick<HostRequest, 'state'>) => state === 'waiting' || state === 'planning';

/** Whether nothing more becomes of it. */
export const isOver = ({ state }: HostRequest) => ['done', 'failed', 'refused', 'withdrawn'].includes(state);

/** The hosts that a change brings. */
export function hostsIn(change: HostChange): readonly Added[] {
  if ('add' in change) return change.add;
  return 'with' in change ? [change.with] : [];
}

/** A change of hosts in few words. */
export function told(change: HostChange): string {
  if ('add' in change) return `add ${change.add.map(({ name, site }) => `${name} (${site})`).join(', ')}`;
  if ('remove' in change) return `remove ${change.remove.join(', ')}`;
  return `replace ${change.replace} by ${change.with.name} (${change.with.address})`;
}
