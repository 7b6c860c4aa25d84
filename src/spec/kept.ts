import { gunzipSync, gzipSync } from 'node:zlib';
import type { Cluster } from './cluster.ts';
import { type ParseOptions, parseCluster } from './parse.ts';

/** A cluster.yaml as it is kept with the cluster and travels in messages, with the names of its hosts. */
export interface Kept {
  /** Gzipped, in base64. A thousand hosts take some 20 kB. */
  readonly spec: string;
  readonly hosts: readonly string[];
}

export const keep = ({ text, hosts }: Pick<Cluster, 'text' | 'hosts'>): Kept => ({
  spec: gzipSync(text, { level: 9 }).toString('base64'),
  hosts: hosts.map(({ name }) => name),
});

/** The text again. Throws for what is none. */
export const kept = (packed: string): string => gunzipSync(Buffer.from(packed, 'base64')).toString();

/** The cluster again, parsed. Throws SpecError where the roles of this release do not take it. */
export function readKept({ spec }: Pick<Kept, 'spec'>, options: Partial<ParseOptions> = {}): Cluster {
  return parseCluster(kept(spec), { file: 'cluster.yaml', ...options }).cluster;
}
