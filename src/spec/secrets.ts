import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Generated, SecretReference, SecretValue } from '../roles/secret.ts';

/** Bytes: a secret is a password or a key. */
const LIMIT = 65_536;

export interface ResolveOptions {
  /** Where relative paths begin: the folder of cluster.yaml. Default: the working directory. */
  readonly directory?: string;
  /** Milliseconds that a command may take. Default: 30 s. */
  readonly timeout?: number;
}

/** A secret that could not be had, and what to do about it. */
export interface MissingSecret {
  readonly name: string;
  readonly message: string;
}

/** Secrets that are not there. Names every one of them. */
export class SecretsError extends Error {
  override readonly name = 'SecretsError';
  readonly missing: readonly MissingSecret[];

  constructor(missing: readonly MissingSecret[]) {
    super(missing.map(({ name, message }) => `secret ${name}: ${message}`).join('\n'));
    this.missing = missing;
  }
}

/**
 * Fetches the values of the secrets that the client knows the way to. Those of workers, and those that
 * workers make, are left out; what is sealed already stays so. On the client only: the values go nowhere but into the sealing.
 * @throws SecretsError with all that are missing.
 */
export async function resolveSecrets(
  references: Readonly<Record<string, SecretReference | Generated>>,
  env: Readonly<Record<string, string | undefined>>,
  { directory = process.cwd(), timeout = 30_000 }: ResolveOptions = {},
): Promise<ReadonlyMap<string, SecretValue>> {
  const results = new Map<string, Promise<Found>>();
  const entries = Object.entries(references).flatMap(([name, reference]) => {
    const fetch = fetcher(reference, env, { directory, timeout });
    if (!fetch) return [];
    // The same reference is followed once: a vault that asks for a fingerprint asks once.
    const key = JSON.stringify(reference);
    const found = results.get(key) ?? fetch();
    results.set(key, found);
    return [{ name, found }];
  });
  const settled = await Promise.all(entries.map(async ({ name, found }) => ({ name, ...(await found) })));
  const missing = settled.flatMap((result) =>
    'missing' in result ? [{ name: result.name, message: result.missing }] : [],
  );
  if (missing.length > 0) throw new SecretsError(missing);
  return new Map(settled.flatMap((result) => ('value' in result ? [[result.name, result.value] as const] : [])));
}

type Found = { readonly value: SecretValue } | { readonly missing: string };

/** How to follow a reference; nothing for what is not the client's to follow. Never rejects. */
function fetcher(
  reference: SecretReference | Generated,
  env: Readonly<Record<string, string | undefined>>,
  { directory, timeout }: Required<ResolveOptions>,
): (() => Promise<Found>) | undefined {
  if ('env' in reference) return async () => fromEnv(reference.env, env);
  if ('file' in reference) return () => fromFile(reference.file, directory);
  if ('age' in reference) return async () => ({ value: { age: reference.age } });
  if ('command' in reference) return () => fromCommand(reference.command, { directory, timeout, env });
  return undefined;
}

function fromEnv(variable: string, env: Readonly<Record<string, string | undefined>>): Found {
  const value = env[variable];
  if (value === undefined) return { missing: `the environment variable ${variable} is not set: export ${variable}=…` };
  return value === '' ? { missing: `the environment variable ${variable} is empty` } : { value };
}

async function fromFile(file: string, directory: string): Promise<Found> {
  const path = resolve(directory, file.replace(/^~(?=\/|$)/, homedir()));
  try {
    const { size } = await stat(path);
    if (size > LIMIT) return { missing: `${path} is larger than ${LIMIT / 1024} KiB: is it the right file?` };
    return filled(await readFile(path, 'utf8'), `the file ${path}`);
  } catch (error) {
    const why =
      error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'there is no such file' : String(error);
    return { missing: `cannot read ${path}: ${why}` };
  }
}

async function fromCommand(
  [program = '', ...args]: readonly string[],
  { directory, timeout, env }: Required<ResolveOptions> & { readonly env: NodeJS.ProcessEnv },
): Promise<Found> {
  try {
    const running = promisify(execFile)(program, args, {
      cwd: directory,
      env,
      timeout,
      maxBuffer: LIMIT,
      killSignal: 'SIGKILL',
    });
    running.child.stdin?.end();
    return filled((await running).stdout, `the output of ${program}`);
  } catch (error) {
    return { missing: `\`${program}\` ${reason(error, timeout)}` };
  }
}

/** What the caller may do about a command that failed. Its stdout may hold the secret, so only stderr is shown. */
function reason(error: unknown, timeout: number): string {
  if (!(error instanceof Error)) return String(error);
  const { code, killed, stderr } = error as Error & { code?: string | number; killed?: boolean; stderr?: string };
  if (code === 'ENOENT') return 'is not installed, or not on PATH';
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `printed more than ${LIMIT / 1024} KiB`;
  if (killed) return `did not answer within ${timeout / 1000} s`;
  const last = stderr
    ?.trim()
    .split('\n')
    .at(-1)
    ?.replaceAll(/[^\P{C}\t]/gu, '');
  return `failed (${typeof code === 'number' ? `exit code ${code}` : (code ?? 'killed')})${last ? `: ${last}` : ''}`;
}

function filled(text: string, source: string): Found {
  const value = text.replace(/\r?\n$/, '');
  return value === '' ? { missing: `${source} is empty` } : { value };
}
