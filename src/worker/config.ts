import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import * as z from 'zod';
import type { Limits } from '../plan/plan.ts';
import { TASK_QUEUE } from '../workflows/contract.ts';

/** Where a server listens unless told otherwise. */
const SERVER = 'localhost:7233';

type Env = Readonly<Record<string, string | undefined>>;

export interface Config {
  readonly connection: NativeConnectionOptions;
  readonly namespace: string;
  /** That of the workflows. */
  readonly taskQueue: string;
  /** It works on the hosts of this site only, and runs no workflows. */
  readonly site?: string;
  /** Holds the age identity. */
  readonly state: string;
  readonly concurrency: number;
  /** Path of the socket of the ssh agent, if there is one. */
  readonly agent?: string;
  /** Activities that begin within a second, of all workers of its queue together. */
  readonly rate?: number;
  /** Of its connections to hosts. */
  readonly limits?: Limits;
  /** Secrets that the spec may name as `{ worker: NAME }`. */
  readonly entries: Readonly<Record<string, string>>;
}

const count = (most: number) => z.coerce.number().int().min(1).max(most);

const Variables = z.object({
  FARWEAVE_STATE: z.string().min(1).default('.farweave'),
  FARWEAVE_TASK_QUEUE: z.string().min(1).default(TASK_QUEUE),
  FARWEAVE_SITE: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/, 'wants the name of a site')
    .optional(),
  FARWEAVE_CONCURRENCY: count(10_000).default(100),
  FARWEAVE_RATE: count(10_000).optional(),
  FARWEAVE_SESSIONS: count(10_000).optional(),
  FARWEAVE_STARTS_PER_SECOND: count(1_000).optional(),
  FARWEAVE_WORKER_SECRETS: z.string().min(1).optional(),
  SSH_AUTH_SOCK: z.string().optional(),
});

/**
 * From the environment, and Temporal's own profiles (`TEMPORAL_PROFILE`, `TEMPORAL_ADDRESS`, …).
 * Throws an Error that names the variable or file that is wrong.
 */
export function loadConfig(env: Env = process.env): Config {
  const parsed = Variables.safeParse(env);
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  const {
    FARWEAVE_SITE: site,
    FARWEAVE_RATE: rate,
    FARWEAVE_SESSIONS: sessions,
    FARWEAVE_STARTS_PER_SECOND: startsPerSecond,
    FARWEAVE_WORKER_SECRETS: secrets,
    SSH_AUTH_SOCK: agent,
    ...always
  } = parsed.data;
  const given = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig({
    overrideEnvVars: Object.fromEntries(given),
  });
  return {
    connection: { ...(connectionOptions as NativeConnectionOptions), address: connectionOptions.address ?? SERVER },
    namespace,
    taskQueue: always.FARWEAVE_TASK_QUEUE,
    ...(site !== undefined && { site }),
    state: resolve(always.FARWEAVE_STATE),
    concurrency: always.FARWEAVE_CONCURRENCY,
    ...(rate !== undefined && { rate }),
    ...(agent && { agent }),
    ...limitsOf({ sessions, startsPerSecond }),
    entries: secrets === undefined ? {} : entriesIn(secrets),
  };
}

/** Where there are none, nothing is counted. */
function limitsOf(given: { readonly [Key in keyof Limits]: Limits[Key] | undefined }): Pick<Config, 'limits'> {
  const limits = Object.fromEntries(Object.entries(given).filter(([, limit]) => limit !== undefined));
  return Object.keys(limits).length === 0 ? {} : { limits };
}

const Entries = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('not JSON'); // the parser's own message shows a part of the text
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string(), z.string()));

/** A JSON object of names and values in a file that nobody else may read. */
function entriesIn(path: string): Readonly<Record<string, string>> {
  if ((statSync(path).mode & 0o077) !== 0) throw new Error(`${path} holds secrets: chmod 600 it`);
  const parsed = Entries.safeParse(readFileSync(path, 'utf8'));
  if (!parsed.success) throw new Error(`${path} is not a JSON object of names and texts`);
  return parsed.data;
}
