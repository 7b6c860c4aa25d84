import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import * as z from 'zod';
import { lock, unlock } from '../activities/vault.ts';
import type { Belongings } from '../workflows/contract.ts';
import { EXIT, Failure } from './errors.ts';

/** Loose, here and below: what a later release remembers besides is not lost on the way. */
const Copy = z.looseObject({
  version: z.number(),
  revision: z.number(),
  owner: z.string().exactOptional(),
  knowledge: z.looseObject({ indexes: z.record(z.string(), z.number()) }),
  facts: z.record(z.string(), z.record(z.string(), z.string())),
  sealed: z.record(z.string(), z.string()),
});

const ClusterFile = z.object({
  format: z.literal('farweave-cluster/1'),
  cluster: z.string(),
  exported: z.object({ at: z.string(), by: z.string() }),
  /** Opens the secrets of `state`. */
  identity: z.string(),
  state: Copy.extend({ events: z.array(z.looseObject({ at: z.string(), what: z.string() })) }),
});

/** A cluster on its way from one server to another: all that it is, and what opens its secrets. */
export interface ClusterFile extends Omit<z.infer<typeof ClusterFile>, 'state'> {
  readonly state: Belongings;
}

/** Writes it for its owner's eyes only (0600), whole or not at all. Replaces no file unless forced to. */
export async function writeClusterFile(
  path: string,
  content: ClusterFile,
  { passphrase, force }: { readonly passphrase: string; readonly force: boolean },
): Promise<void> {
  const next = `${path}.${randomUUID().slice(0, 8)}`;
  await writeFile(next, await lock(passphrase, JSON.stringify(content)), { mode: 0o600, flag: 'wx' });
  try {
    if (force) await rename(next, path);
    else await link(next, path);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw thereAlready(path);
    throw error;
  } finally {
    await rm(next, { force: true });
  }
}

/** What a command says that would replace a file. */
export function thereAlready(path: string): Failure {
  return new Failure(`${path} is there already.`, {
    hint: 'Choose another name (--output), or replace it (--force).',
    exitCode: EXIT.badInput,
  });
}

/** Throws a `Failure` (exit code 2) where it is missing, is something else, or the passphrase does not open it. */
export async function readClusterFile(path: string, passphrase: () => Promise<string>): Promise<ClusterFile> {
  const bytes = await readFile(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) throw wrong(`There is no file ${path}.`);
    throw error;
  });
  if (!bytes.subarray(0, 21).equals(Buffer.from('age-encryption.org/v1'))) throw notOne(path);
  const text = await unlock(await passphrase(), bytes).catch(() => {
    throw wrong(`The passphrase does not open ${path}.`);
  });
  try {
    return ClusterFile.parse(JSON.parse(text));
  } catch {
    throw notOne(path);
  }
}

/** A copy as hosts keep it. Throws a `Failure` where it is damaged. */
export function readCopy(packed: string): Belongings & { readonly cluster: string } {
  try {
    const text = gunzipSync(Buffer.from(packed, 'base64')).toString();
    return { ...Copy.extend({ cluster: z.string(), owner: z.string() }).parse(JSON.parse(text)), events: [] };
  } catch (error) {
    throw new Failure('The copy of the cluster that lies on its hosts is damaged.', { cause: error });
  }
}

const notOne = (path: string) =>
  wrong(`${path} is not a cluster's file.`, 'farweave cluster export writes one, on the machine that has the cluster.');

function wrong(message: string, hint?: string): Failure {
  return new Failure(message, { exitCode: EXIT.badInput, ...(hint && { hint }) });
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
