import { gunzipSync, gzipSync } from 'node:zlib';

/** A cluster.yaml as it is kept with the cluster and travels in messages: gzipped, in base64. A thousand hosts take some 20 kB. */
export const keep = (text: string): string => gzipSync(text, { level: 9 }).toString('base64');

/** The text again. Throws for what is none. */
export const kept = (packed: string): string => gunzipSync(Buffer.from(packed, 'base64')).toString();
