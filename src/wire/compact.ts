import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Payload, PayloadCodec } from '@temporalio/common';

/** Smaller payloads travel as they are, and can be read in the Web UI. In bytes; the server warns of 262,144. */
const LARGE = 131_072;
/** No payload of ours is larger: what claims to be is none of ours. */
const LARGEST = 64 * 1024 * 1024;

const ENCODING = 'encoding';
/** How a payload was encoded before. */
const WAS = 'farweave-encoding';
const OURS = 'binary/farweave-gzip';

const [packed, unpacked] = [promisify(gzip), promisify(gunzip)];
const text = new TextEncoder();

/** Large payloads travel gzipped: the plan of a thousand hosts is mostly the same words. Others are left alone, both ways. */
const compact: PayloadCodec = {
  encode: (payloads) => Promise.all(payloads.map(encoded)),
  decode: (payloads) => Promise.all(payloads.map(decoded)),
};

/** For every client and worker. What one sends the other reads; what an older one has sent is read by both. */
export const dataConverter = { payloadCodecs: [compact] };

async function encoded(payload: Payload): Promise<Payload> {
  const { data, metadata } = payload;
  if (!data || data.length < LARGE) return payload;
  return {
    metadata: { ...metadata, [ENCODING]: text.encode(OURS), [WAS]: metadata?.[ENCODING] ?? new Uint8Array() },
    data: await packed(data),
  };
}

async function decoded(payload: Payload): Promise<Payload> {
  const { data, metadata } = payload;
  if (!data || !metadata?.[ENCODING] || Buffer.from(metadata[ENCODING]).toString() !== OURS) return payload;
  const { [WAS]: encoding = new Uint8Array(), ...others } = metadata;
  return { metadata: { ...others, [ENCODING]: encoding }, data: await unpacked(data, { maxOutputLength: LARGEST }) };
}
