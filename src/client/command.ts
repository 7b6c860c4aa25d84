import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { ACCESS_KEY } from '../plan/access-key.ts';
import type { Aim } from '../plan/compile.ts';
import { accessTo } from '../plan/way.ts';
import type { SecretValue } from '../roles/secret.ts';
import type { Cluster } from '../spec/cluster.ts';
import { readCluster } from '../spec/file.ts';
import { line, SpecError } from '../spec/problem.ts';
import { type MissingSecret, resolveSecrets, SecretsError } from '../spec/secrets.ts';
import type { ClusterView } from '../workflows/contract.ts';
import { type ConnectOptions, connect, type Farweave, isServerNamed } from './connection.ts';
import { devFiles, stateFolder } from './dev/state.ts';
import { Failure } from './errors.ts';
import { type Draft, draft } from './index.ts';
import type { Io } from './io.ts';
import { status } from './remembered.ts';
import type { Manner } from './show.ts';
import { needing } from './spared.ts';
import { expanded } from './ssh-aliases.ts';
import { waiting } from './waiting.ts';

/** Options that every command takes. */
export interface Global {
  readonly file: string;
  readonly json?: boolean;
  readonly debug?: boolean;
  readonly state?: string;
  readonly address?: string;
  readonly namespace?: string;
  readonly profile?: string;
}

/** Where a command was called: its surroundings and the options of all commands. */
export interface At {
  readonly io: Io;
  readonly global: Global;
  /** How this program is called again with the same cluster: `farweave -f forum.yaml`. */
  readonly self: string;
}

/** Carries a command out and gives the exit code. Takes what commander gives: arguments, then options. */
type Handler = (at: At, ...given: never[]) => Promise<number>;

/** Makes a handler an action of commander. */
export type Run = (handler: Handler) => (...given: unknown[]) => Promise<void>;

/** What `--help` of a command shows below its options. */
export function teach(
  command: Command,
  examples: readonly (readonly [line: string, what: string])[],
  more = '',
): Command {
  const column = Math.max(...examples.map(([example]) => example.length)) + 2;
  const lines = examples.map(([example, what]) => `  ${example.padEnd(column)}${what}`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}${more && `\n\n${more}`}`);
}

/** The cluster of the file, checked. Warnings go to stderr. Throws SpecError. */
export async function readSpec({ io, global }: At): Promise<Cluster> {
  const expand = (text: string) => expanded(text, { env: io.env, directory: folderOf({ io, global }) });
  const read = readCluster(resolve(io.cwd, global.file), { expand });
  const { cluster, warnings } = await read.catch(inTermsOf(global.file));
  for (const warning of warnings) io.err.write(`${line({ ...warning, file: global.file })}\n`);
  return cluster;
}

/** Values of secrets by name, once it is known what the server remembers of the cluster. */
export type Fetched = (state: ClusterView | undefined) => Promise<Readonly<Record<string, SecretValue>>>;

/**
 * Fetches the secrets that a plan takes from the spec. Throws SecretsError, which names all that are missing: at once, unless
 * the cluster has a key of its own. Then only what is remembered tells which credentials are still needed.
 */
export async function secretsOf(at: At, cluster: Cluster, purpose: Aim): Promise<Fetched> {
  if (cluster.secrets[ACCESS_KEY]) return (state) => fetched(at, cluster, draft(cluster, state, purpose), state);
  const values = await fetched(at, cluster, draft(cluster, undefined, purpose), undefined);
  return async () => values;
}

/** Values of the secrets that a draft takes from the spec, and that somebody still needs. */
export async function fetched(
  at: At,
  cluster: Cluster,
  made: Draft,
  state: ClusterView | undefined,
): Promise<Readonly<Record<string, SecretValue>>> {
  const { absent = {}, kept } = made.spared ?? {};
  const given = givenSecrets(cluster, made).filter(([name]) => absent[name] === undefined);
  const isKept = ([name]: (typeof given)[number]) => kept?.has(name) === true;
  const resolve = (some: typeof given) =>
    resolveSecrets(Object.fromEntries(some), at.io.env, { directory: folderOf(at) });
  return await waiting(at.io, 'Fetching secrets', async () => {
    const needed = await resolve(given.filter((each) => !isKept(each))).catch((error: unknown) => {
      throw error instanceof SecretsError && cluster.secrets[ACCESS_KEY] ? sayingWho(error, made, state) : error;
    });
    // It may have changed since: who has it at hand gives it anew.
    const anew = given.filter(isKept).map((each) => resolve([each]).catch(() => new Map<string, SecretValue>()));
    return Object.fromEntries([needed, ...(await Promise.all(anew))].flatMap((values) => [...values]));
  });
}

/** Of hosts that have the cluster's key nobody needs to hear. */
function sayingWho({ missing }: SecretsError, { plan }: Draft, state: ClusterView | undefined): SecretsError {
  return new SecretsError(
    missing.map(({ name, message }) => {
      const hosts = needing(plan.hosts, state ?? { facts: {}, sealed: {} }, name);
      const who = hosts.length > 3 ? `${hosts.slice(0, 3).join(', ')} and ${hosts.length - 3} more` : hosts.join(', ');
      return { name, message: hosts.length === 0 ? message : `${message} (needed by ${who})` };
    }),
  );
}

/** Secrets that an apply would want and not find in environment or files. Commands are not run: a vault may ask for a finger. */
export async function missingSecrets(at: At, cluster: Cluster): Promise<readonly MissingSecret[]> {
  const cheap = givenSecrets(cluster, draft(cluster, undefined)).filter(([, from]) => 'env' in from || 'file' in from);
  try {
    await resolveSecrets(Object.fromEntries(cheap), at.io.env, { directory: folderOf(at) });
    return [];
  } catch (error) {
    if (error instanceof SecretsError) return error.missing;
    throw error;
  }
}

/** The secrets of the spec that a plan uses. To destroy a cluster it takes none but to log in. */
function givenSecrets(cluster: Cluster, { plan }: Draft) {
  const login = accessTo(plan.hosts, plan.bastions);
  const isAsked = (name: string) => plan.purpose !== 'destroy' || login.includes(name);
  return Object.entries(cluster.secrets).filter(([name]) => plan.secrets[name]?.from === 'spec' && isAsked(name));
}

export const folderOf = ({ io, global }: Pick<At, 'io' | 'global'>) => dirname(resolve(io.cwd, global.file));

/** Does something with a connection to Temporal, which is started first if it is the embedded one. */
export async function withTemporal<T>(
  at: At,
  work: (farweave: Farweave) => Promise<T>,
  more: Pick<ConnectOptions, 'needsWorker'> = {},
): Promise<T> {
  const farweave = await waiting(at.io, 'Connecting to Temporal', (progress) =>
    connect({ ...serverOf(at), ...more, progress }),
  );
  try {
    return await work(farweave);
  } finally {
    await farweave.close();
  }
}

/** Does something with what a server remembers of the cluster of the file. Throws where it knows nothing of it. */
export async function withCluster<T>(
  at: At,
  work: (farweave: Farweave, name: string, state: ClusterView, cluster: Cluster) => Promise<T>,
): Promise<T> {
  const cluster = await readSpec(at);
  const { name } = cluster;
  mustBeKnown(at, name);
  return await withTemporal(at, async (farweave) => {
    const state = await status(farweave, name);
    if (!state) throw unknownCluster(at, name);
    return await work(farweave, name, state, cluster);
  });
}

/** What a call says of the server. */
export function serverOf(at: At) {
  const { address, namespace, profile } = at.global;
  return {
    env: at.io.env,
    state: stateOf(at),
    ...(address && { address }),
    ...(namespace && { namespace }),
    ...(profile && { profile }),
  };
}

/** Throws where the embedded server has never run: to start one only to hear that it knows nothing would leave it behind. */
export function mustBeKnown(at: At, cluster: string): void {
  if (!isServerNamed(serverOf(at)) && !existsSync(devFiles(stateOf(at)).data)) throw unknownCluster(at, cluster);
}

/** Nobody has rolled it out yet, as far as this server can tell. */
export function unknownCluster({ self }: At, cluster: string): Failure {
  return new Failure(`Nothing is known of the cluster ${cluster} here.`, { hint: `${self} apply begins it.` });
}

/** Folder of the embedded server. */
export function stateOf({ io, global }: Pick<At, 'io' | 'global'>): string {
  const beside = folderOf({ io, global });
  return stateFolder({ env: io.env, beside, ...(global.state && { option: resolve(io.cwd, global.state) }) });
}

/** How a rollout is to be shown. */
export function mannerOf({ io, global, self }: At, { events = false } = {}): Manner {
  return { io, json: global.json === true, events: events && global.json === true, self };
}

/** One document on stdout. */
export function writeJson({ io }: Pick<At, 'io'>, value: unknown): void {
  io.out.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Problems name the file as it was given. */
function inTermsOf(file: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof SpecError) throw new SpecError(error.problems.map((problem) => ({ ...problem, file })));
    throw error;
  };
}
