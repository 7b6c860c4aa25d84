/** Workers poll it and clients start workflows on it. */
export const TASK_QUEUE = 'farweave';
/** What is to be done on the hosts of a site that has workers of its own. All clusters of a server share it. */
export const siteQueue = (base: string, site: string) => `${base}@${site}`;
/** Where a site's workers say that they are there. */
export const presenceQueue = (base: string, site: string) => `${siteQueue(base, site)}:present`;

export const clusterId = (name: string) => `cluster:${name}`;
export const rolloutId = (name: string, revision: number) => `rollout:${name}:${revision}`;
/** A look without a change: `plan --check`. */
export const lookId = (name: string, request: string) => `look:${name}:${request}`;
/** A look for what is not as it was rolled out, and the schedule of such looks (without a request). */
export const driftId = (name: string, request?: string) =>
  ['drift', name, ...(request === undefined ? [] : [request])].join(':');
/** A look at whose the hosts are, without a change: `cluster adopt --from-hosts`. */
export const recallId = (name: string, request: string) => `recall:${name}:${request}`;

/** Search attributes, registered by the program itself at start-up. */
export const SEARCH_ATTRIBUTES = {
  FarweaveCluster: 'KEYWORD',
  FarweaveSite: 'KEYWORD',
  FarweaveRevision: 'INT',
  FarweaveState: 'KEYWORD',
  FarweaveParked: 'INT',
} as const;
