import { open } from 'node:fs/promises';
import { type Parsed, type ParseOptions, parseCluster } from './parse.ts';
import { SpecError } from './problem.ts';

/** Bytes. A thousand hosts with labels take a fifth of it. */
const LIMIT = 1_048_576;

interface ReadOptions extends Omit<ParseOptions, 'file' | 'written'> {
  /** Writes out what a text means here. */
  readonly expand?: (text: string) => Promise<string>;
}

/**
 * Reads and parses a cluster.yaml.
 * @throws SpecError also for a file that is not there, or is not a text.
 */
export async function readCluster(
  path: string,
  { expand = async (text) => text, ...options }: ReadOptions = {},
): Promise<Parsed> {
  const written = await textOf(path);
  return parseCluster(await expand(written), { file: path, written, ...options });
}

async function textOf(path: string): Promise<string> {
  const refuse = (message: string, line = 1) => {
    return new SpecError([{ severity: 'error', file: path, line, column: 1, path: '', message }]);
  };
  const bytes = await read(path).catch((error: NodeJS.ErrnoException) => {
    throw refuse(REASONS[error.code ?? ''] ?? `cannot be read: ${error.message}`);
  });
  if (bytes.length > LIMIT) throw refuse(`is larger than ${LIMIT / 1024} KiB`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse('is not UTF-8 text', lineOfFault(bytes));
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file (`farweave init user@address…` writes a first one)',
  EISDIR: 'is a directory; wants a file',
  ENOTDIR: 'there is no such file',
  EACCES: 'may not be read by this user',
};

/** One byte more than there may be, at most: neither a device nor a pipe fills the memory. */
async function read(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of file.createReadStream({ end: LIMIT, autoClose: false })) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size > LIMIT) break;
    }
    return Buffer.concat(chunks);
  } finally {
    await file.close();
  }
}

/** The first line that does not survive a round trip. */
function lineOfFault(bytes: Buffer): number {
  let start = 0;
  for (let line = 1; ; line++) {
    const end = bytes.indexOf('\n', start);
    const part = bytes.subarray(start, end < 0 ? bytes.length : end);
    if (end < 0 || !Buffer.from(part.toString('utf8')).equals(part)) return line;
    start = end + 1;
  }
}
