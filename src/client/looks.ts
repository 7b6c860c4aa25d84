import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterView } from '../workflows/contract.ts';
import type { Farweave } from './connection.ts';
import { status } from './remembered.ts';

/** Milliseconds from one look to the next. */
const INTERVAL = 500;

/**
 * What a cluster remembers, look by look, until `signal` ends it: for whoever waits for something there. It is the server that
 * it waits on, so that nobody answers for a while changes nothing.
 */
export async function* looks(
  farweave: Farweave,
  cluster: string,
  signal?: AbortSignal,
): AsyncGenerator<ClusterView | undefined> {
  while (!signal?.aborted) {
    const state = await status(farweave, cluster).catch(() => 'silent' as const);
    if (state === 'silent') await farweave.revive?.().catch(() => {});
    else yield state;
    await sleep(INTERVAL, undefined, { ...(signal && { signal }) }).catch(() => {});
  }
}
