import { seal } from '../activities/vault.ts';
import type { SecretValue } from '../roles/secret.ts';
import {
  type Added,
  type ClusterView,
  type HostControls,
  type HostReply,
  type HostRequest,
  hostUpdate,
  isPending,
} from '../workflows/contract.ts';
import type { Farweave } from './connection.ts';
import { Failure } from './errors.ts';
import { looks } from './looks.ts';
import { status } from './remembered.ts';
import { update } from './requests.ts';
import { whoAmI } from './who.ts';

/** A request that was taken on, by its id. */
export interface Requested extends HostReply {
  readonly cluster: string;
}

interface Reasons {
  readonly reason?: string;
}

interface Leaving {
  /** Even where a service loses its quorum by it. */
  readonly forced?: boolean;
  /** What services have kept on it is erased too. */
  readonly data?: boolean;
}

interface Secrets {
  /** Values of the host's own secrets, `access.vm3.password`; they leave this process sealed. */
  readonly secrets?: Readonly<Record<string, SecretValue>>;
}

/**
 * Takes a host into a cluster. Answers when the request is taken on; {@link begunRequest} waits for its rollout.
 * Without secrets of its own it is reached as the cluster's `access` says. Rejects with a `Failure` where the cluster refuses.
 */
export const addHost = async (
  farweave: Farweave,
  cluster: string,
  host: Added,
  { secrets = {}, ...reasons }: Reasons & Secrets = {},
): Promise<Requested> => ask(farweave, cluster, 'addHost', { host, ...(await sealed(farweave, secrets)), ...reasons });

/**
 * Takes hosts out of a cluster, in order where they are alive.
 * Answers as {@link addHost} does.
 */
export const removeHost = (
  farweave: Farweave,
  cluster: string,
  hosts: readonly string[],
  more: Reasons & Leaving = {},
): Promise<Requested> => ask(farweave, cluster, 'removeHost', { hosts, ...more });

/** Puts another machine in the place of a host; it may have the same name. Answers as {@link addHost} does. */
export const replaceHost = async (
  farweave: Farweave,
  cluster: string,
  host: string,
  by: Added,
  { secrets = {}, ...more }: Reasons & Secrets & Leaving = {},
): Promise<Requested> =>
  ask(farweave, cluster, 'replaceHost', { host, with: by, ...(await sealed(farweave, secrets)), ...more });

/** The key that the host of a request shows is its own: it may be sent credentials now. */
export const approveHost = (farweave: Farweave, cluster: string, id: string): Promise<Requested> =>
  ask(farweave, cluster, 'approveHost', { id });

/** Takes back a request that has not begun. */
export const withdrawHost = (farweave: Farweave, cluster: string, id: string): Promise<Requested> =>
  ask(farweave, cluster, 'withdrawHost', { id });

/** What has become of a request; a `Failure` where the cluster remembers none of that id. */
export async function requestOf(farweave: Farweave, cluster: string, id: string): Promise<HostRequest> {
  return requestIn(await status(farweave, cluster), cluster, id);
}

/**
 * Waits until a request has a rollout, or will never have one. `report` is told how it stands meanwhile; undefined where
 * `signal` ends the waiting.
 */
export async function begunRequest(
  farweave: Farweave,
  { cluster, id }: Pick<Requested, 'cluster' | 'id'>,
  { signal, report }: { readonly signal?: AbortSignal; readonly report?: (how: string) => void } = {},
): Promise<HostRequest | undefined> {
  for await (const state of looks(farweave, cluster, signal)) {
    const request = requestIn(state, cluster, id);
    if (!isPending(request)) return request;
    report?.(request.said ?? request.state);
  }
  return undefined;
}

function requestIn(state: ClusterView | undefined, cluster: string, id: string): HostRequest {
  const found = state?.requests?.find((request) => request.id === id);
  if (found) return found;
  throw new Failure(`${cluster} remembers no request ${id}.`, { hint: 'farweave host list shows those that it does.' });
}

async function sealed(farweave: Farweave, secrets: Readonly<Record<string, SecretValue>>) {
  if (Object.keys(secrets).length === 0) return {};
  const recipient = await farweave.recipient();
  const entries = Object.entries(secrets).map(async ([name, value]) => [name, await seal(recipient, value)] as const);
  return { sealed: Object.fromEntries(await Promise.all(entries)) };
}

async function ask<Name extends keyof HostControls>(
  farweave: Farweave,
  cluster: string,
  what: Name,
  asked: Omit<HostControls[Name], 'by'>,
): Promise<Requested> {
  const message = { ...asked, by: whoAmI() } as HostControls[Name];
  return { cluster, ...(await update(farweave, cluster, hostUpdate(what), message)) };
}
