import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { dataConverter } from '../wire/compact.ts';
import { TASK_QUEUE } from '../workflows/contract.ts';
import { revived, up } from './dev/embedded.ts';
import { stateFolder } from './dev/state.ts';
import { isPolled } from './dev/worker.ts';
import { EXIT, Failure } from './errors.ts';

export interface ConnectOptions {
  /** `host:port` of a Temporal server. */
  readonly address?: string;
  readonly namespace?: string;
  /** Profile of Temporal's configuration file. */
  readonly profile?: string;
  /** Folder of the embedded server, used where neither options, environment nor profile name another. */
  readonly state?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly progress?: (line: string) => void;
  /** Reject where a server that is not ours to care for has no worker. Default: true. */
  readonly needsWorker?: boolean;
}

/** A Temporal server with workers of ours. Close it. */
export interface Farweave {
  readonly client: Client;
  readonly namespace: string;
  readonly taskQueue: string;
  /** Base address of the Web UI, where it is known. */
  readonly ui?: string;
  /** `age1…`: what only the workers may read is sealed for it. */
  readonly recipient: () => Promise<string>;
  /** Starts again what has died, where that is ours to do. */
  readonly revive: () => Promise<void>;
  readonly close: () => Promise<void>;
}

const CONNECT_LIMIT = 10_000;
/** One may just be starting. */
const WORKER_LIMIT = 5_000;
/** How long ago a worker may have asked for work and still count as there. */
const WORKER_SEEN = 5 * 60_000;

/**
 * Connects to Temporal: to the server that options, environment or profile name; without one to an embedded server,
 * which is started with a worker if need be. Rejects with a `Failure` (exit code 3) where nobody answers.
 */
export async function connect(options: ConnectOptions = {}): Promise<Farweave> {
  const { env = process.env, progress = () => {}, needsWorker = true } = options;
  const state = stateFolder({ env, ...(options.state && { option: options.state }) });
  const named = namedServer(options, env);
  const revive = async () => (named ? undefined : await revived(state, { env, progress: () => {} }));
  const server = named ?? embeddedServer(await up(state, { env, progress }));
  const connection = await open(server.connection);
  const { namespace } = server;
  const taskQueue = env['FARWEAVE_TASK_QUEUE'] || TASK_QUEUE;
  if (named && needsWorker) await requireWorker(connection, { namespace, taskQueue }, server.connection.address ?? '');
  const ui = env['FARWEAVE_UI'] || server.ui;
  return {
    client: new Client({ connection, namespace, dataConverter }),
    namespace,
    taskQueue,
    ...(ui && { ui: ui.replace(/\/+$/, '') }),
    recipient: () => recipient(state, env),
    revive,
    close: () => connection.close(),
  };
}

interface Server {
  readonly connection: ConnectionOptions;
  readonly namespace: string;
  readonly ui?: string;
}

/** Whether another server than the embedded one is meant: by an option, the environment or Temporal's configuration file. */
export function isServerNamed(options: Omit<ConnectOptions, 'progress'>): boolean {
  return namedServer(options, options.env ?? process.env) !== undefined;
}

/** The server that somebody has chosen; undefined where nobody has. */
function namedServer(
  options: Omit<ConnectOptions, 'progress'>,
  env: NonNullable<ConnectOptions['env']>,
): Server | undefined {
  const { connectionOptions, namespace } = configured(options, env);
  const address = options.address ?? connectionOptions.address;
  if (!address) return undefined;
  return {
    connection: { ...connectionOptions, address } as ConnectionOptions,
    namespace: options.namespace ?? namespace ?? 'default',
    ...(/\.(tmprl\.cloud|api\.temporal\.io)(:\d+)?$/.test(address) && { ui: 'https://cloud.temporal.io' }),
  };
}

function configured({ profile }: Pick<ConnectOptions, 'profile'>, env: NonNullable<ConnectOptions['env']>) {
  const variables = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  try {
    return loadClientConnectConfig({ ...(profile && { profile }), overrideEnvVars: variables });
  } catch (error) {
    throw new Failure(
      `Temporal's configuration cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      {
        hint: 'See --profile, $TEMPORAL_PROFILE, $TEMPORAL_CONFIG_FILE.',
        exitCode: EXIT.badInput,
        cause: error,
      },
    );
  }
}

const embeddedServer = ({ address, ui }: { address: string; ui: string }): Server => ({
  connection: { address },
  namespace: 'default',
  ui,
});

async function open(options: ConnectionOptions): Promise<Connection> {
  try {
    await knock(options.address ?? '');
    return await Connection.connect({ ...options, connectTimeout: CONNECT_LIMIT });
  } catch (error) {
    throw new Failure(`No Temporal server answers at ${options.address}.`, {
      hint: 'Start it, or leave --address, --profile and TEMPORAL_ADDRESS away to use an embedded server.',
      exitCode: EXIT.unreachable,
      cause: error,
    });
  }
}

/** gRPC tries again until its time is over; a port where nobody listens says so at once. */
async function knock(address: string): Promise<void> {
  const [, host, port] = /^\[?([^[\]]+)\]?:(\d+)$/.exec(address) ?? [];
  if (!host) return;
  const socket = createConnection({ host, port: Number(port), timeout: CONNECT_LIMIT });
  try {
    await Promise.race([once(socket, 'connect'), once(socket, 'timeout')]);
  } finally {
    socket.destroy();
  }
}

/** Without a worker every request would hang. The embedded server has one of ours; others have theirs, or none. */
async function requireWorker(
  connection: Connection,
  queue: { readonly namespace: string; readonly taskQueue: string },
  address: string,
): Promise<void> {
  for (const deadline = Date.now() + WORKER_LIMIT; Date.now() < deadline; await sleep(250)) {
    if (await isPolled(connection, queue, Date.now() - WORKER_SEEN)) return;
  }
  throw new Failure(
    `No worker asks for work at ${address} (namespace ${queue.namespace}, task queue ${queue.taskQueue}).`,
    {
      hint: 'Start one with the same address and namespace: farweave worker.',
      exitCode: EXIT.unreachable,
    },
  );
}

/** For whom the workers of a server have secrets sealed. */
export async function recipient(state: string, env: NonNullable<ConnectOptions['env']>): Promise<string> {
  const given = env['FARWEAVE_RECIPIENT'];
  if (given) return given;
  const file = join(state, 'recipient');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new Failure(`For whom are secrets to be sealed? ${file} is not there.`, {
      hint: "Set FARWEAVE_RECIPIENT to the workers' recipient (age1…); workers write it to the file recipient of their state folder. Of an embedded server: farweave dev up.",
      exitCode: EXIT.unreachable,
      cause: error,
    });
  }
}
