import { WorkflowNotFoundError } from '@temporalio/client';
import { type ClusterState, clusterId, statusQuery } from '../workflows/contract.ts';
import type { Farweave } from './connection.ts';
import { Failure } from './errors.ts';

/** What a cluster remembers; undefined where the server has never heard of it. `limit` in milliseconds. */
export async function status(
  { client }: Farweave,
  cluster: string,
  { limit = 20_000 } = {},
): Promise<ClusterState | undefined> {
  try {
    return await client.withDeadline(Date.now() + limit, () =>
      client.workflow.getHandle(clusterId(cluster)).query(statusQuery),
    );
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** The revision that runs, or the last one. */
export async function latestRevision(farweave: Farweave, cluster: string): Promise<number> {
  const state = await status(farweave, cluster);
  const revision = state?.rollout?.revision ?? state?.last?.revision;
  if (revision !== undefined) return revision;
  throw new Failure(`Nothing has been rolled out onto ${cluster} yet.`, { hint: 'farweave apply does.' });
}
