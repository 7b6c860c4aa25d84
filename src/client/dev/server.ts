import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { EXIT, Failure } from '../errors.ts';
import { end, isAlive, type Process, startDetached } from './process.ts';
import { type DevState, devFiles } from './state.ts';
import { findTemporal } from './temporal-cli.ts';

type Ports = NonNullable<DevState['ports']>;
type Server = Process & Ports;
type Env = Readonly<Record<string, string | undefined>>;

const HOST = '127.0.0.1';
const START_LIMIT = 60_000;

/**
 * Clusters take turns at the workers. With several partitions they would within each only; what older servers have left in
 * those is still read, and so is what waited before there were turns.
 */
export const fairTurns = [
  'matching.useNewMatcher=true',
  'matching.enableFairness=true',
  'matching.enableMigration=true',
  'matching.numTaskqueueWritePartitions=1',
].flatMap((setting) => ['--dynamic-config-value', setting]);

/** `127.0.0.1:PORT`, as clients and workers want it. */
export const addressOf = (server: Ports) => `${HOST}:${server.port}`;

/** Starts Temporal's development server on the loopback interface, with its data in a file, and waits until it answers. */
export async function startServer(
  state: string,
  wanted: Ports | undefined,
  { env, progress }: { env: Env; progress: (line: string) => void },
): Promise<Server> {
  const temporal = await findTemporal({ env, progress });
  // The ports of last time keep bookmarks true; somebody else may hold them by now, or take a free one before we do.
  for (const ports of [wanted, undefined, undefined]) {
    const chosen = ports && (await becomeFree(ports)) ? ports : await freePorts();
    progress('starting the embedded Temporal server');
    const process = await launch(temporal, state, chosen, env);
    if (await answers(process, chosen)) return { ...chosen, ...process };
    await end(process, 5_000);
  }
  throw new Failure('The embedded Temporal server does not start.', {
    details: lastLines(devFiles(state).log.server, 12),
    hint: `See ${devFiles(state).log.server}. If its data is damaged, move ${devFiles(state).data} away.`,
    exitCode: EXIT.unreachable,
  });
}

/** Whether a recorded server is there and answers. */
export async function isServing(server: Server | undefined): Promise<boolean> {
  return server !== undefined && isAlive(server) && (await ping(addressOf(server), 5_000));
}

/** The end of a log, for a message. */
export function lastLines(file: string, lines: number): readonly string[] {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines);
  } catch {
    return [];
  }
}

async function launch(temporal: string, state: string, ports: Ports, env: Env): Promise<Process> {
  const { folder, data, log } = devFiles(state);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // biome-ignore format: flags with their values
  const args = [
    'server', 'start-dev', '--ip', HOST, '--ui-ip', HOST, '--namespace', 'default',
    '--port', String(ports.port), '--ui-port', String(ports.uiPort), '--http-port', String(ports.httpPort),
    // Survives kill -9 (write-ahead log), without waiting for the disk at every event: two and a half times as fast.
    '--db-filename', data, '--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL',
    ...fairTurns, '--ui-disable-news-fetch', '--log-level', 'warn', '--color', 'never',
    '--disable-config-file', '--disable-config-env',
  ];
  return await startDetached(temporal, args, { log: log.server, env: plainEnv(env), cwd: folder });
}

/** What background processes need of the environment. Not all of it: they live on, and it may hold secrets. */
export function plainEnv(env: Env): Env {
  const names = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'XDG_STATE_HOME', 'XDG_CACHE_HOME'];
  return Object.fromEntries(names.filter((name) => env[name] !== undefined).map((name) => [name, env[name]]));
}

async function answers(process: Process, ports: Ports): Promise<boolean> {
  for (const deadline = Date.now() + START_LIMIT; Date.now() < deadline && isAlive(process); await sleep(100)) {
    if (await ping(addressOf(ports), 2_000)) return isAlive(process);
  }
  return false;
}

async function ping(address: string, limit: number): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: limit });
    try {
      await connection.withDeadline(Date.now() + limit, () =>
        connection.workflowService.describeNamespace({ namespace: 'default' }),
      );
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}

async function freePorts(): Promise<Ports> {
  const [port, uiPort, httpPort] = await holding([0, 0, 0]);
  if (!port || !uiPort || !httpPort) throw new Failure(`No free port on ${HOST}.`, { exitCode: EXIT.unreachable });
  return { port, uiPort, httpPort };
}

/** A server that has just been killed holds its ports for a moment longer. */
async function becomeFree(ports: Ports): Promise<boolean> {
  for (let tries = 0; tries < 20; tries++) {
    if (await areFree(ports)) return true;
    await sleep(250);
  }
  return false;
}

async function areFree({ port, uiPort, httpPort }: Ports): Promise<boolean> {
  return (await holding([port, uiPort, httpPort])).every((number) => number !== undefined);
}

/** Takes ports for a moment, all at once, so that they differ; `0` is any. Undefined where one is taken. */
async function holding(ports: readonly number[]): Promise<readonly (number | undefined)[]> {
  const servers = ports.map(() => createServer());
  const got = await Promise.all(
    servers.map(async (server, n) => {
      try {
        await once(server.listen({ port: ports[n]!, host: HOST }), 'listening');
        const address = server.address();
        return address !== null && typeof address === 'object' ? address.port : undefined;
      } catch {
        return undefined;
      }
    }),
  );
  for (const server of servers) server.close();
  return got;
}
