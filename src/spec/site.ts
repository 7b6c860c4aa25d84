import * as z from 'zod';
import type { ClusterHost, Site } from './cluster.ts';

/** How much of a way that hosts share may be used at once. */
export const Limits = z
  .strictObject({
    sessions: z
      .int()
      .min(1)
      .max(10_000)
      .exactOptional()
      .describe('Connections to hosts there that a worker has open at the same time. Missing: any number.'),
    startsPerSecond: z
      .int()
      .min(1)
      .max(1_000)
      .exactOptional()
      .describe('Connections to hosts there that a worker begins within a second. Missing: any number.'),
  })
  .refine((limits) => Object.keys(limits).length > 0, 'wants sessions, startsPerSecond or both');

/** How hosts of a site are reached. */
export const siteReach = {
  workers: z
    .enum(['shared', 'own'])
    .exactOptional()
    .describe(
      'Who works on the hosts of this site. shared: any worker of the server. own: only workers that run in this data center, as `farweave worker --site NAME` starts them, so that its hosts need no public address. Clusters of one server share a site by its name. Default: shared.',
    ),
  limits: Limits.exactOptional().describe(
    'How much of the way to this site a worker may use at once, for all rollouts of all clusters together. What waits for its turn is not failed for it. Missing: as much as it likes.',
  ),
};

/** A host with what its site says of the way to it. Where that is nothing, the host is as ever. */
export function inSite(host: ClusterHost, { workers, limits }: Site): ClusterHost {
  return { ...host, ...(workers === 'own' && { workers }), ...(limits && { limits }) };
}
