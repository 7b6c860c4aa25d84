import { Connection } from '@temporalio/client';
import { end, isAlive } from './process.ts';
import { addressOf, isServing, startServer } from './server.ts';
import { type DevState, devFiles, lendAgent, locked, readDevState, writeDevState } from './state.ts';
import { codeDigest, startWorker } from './worker.ts';

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly progress: (line: string) => void;
}

/** An embedded Temporal server with one worker, found or started. */
export interface Embedded {
  readonly address: string;
  /** Base address of the Web UI. */
  readonly ui: string;
  /** Base address of Temporal's HTTP API. */
  readonly http: string;
}

/** How long a worker may take to let go of what it follows. Remote jobs run on without it. */
const WORKER_GRACE = 15_000;
const SERVER_GRACE = 10_000;

/** Sees to it that server and worker run, the worker with the code as it is now. Cheap when they do. */
export async function up(state: string, around: Surroundings): Promise<Embedded> {
  lendAgent(state, around.env['SSH_AUTH_SOCK']);
  const recorded = readDevState(state);
  if (isCurrent(recorded) && (await isServing(recorded.server))) return describe(recorded.server!);
  return await locked(state, async () => {
    const server = await upServer(state, around);
    await upWorker(state, server, around);
    return describe(server);
  });
}

/** Starts again what has died, but not what `down` has ended. A worker with older code is left alone: it is at work. */
export async function revived(state: string, around: Surroundings): Promise<void> {
  const hasDied = () => {
    const { server, worker } = readDevState(state);
    return (server && !isAlive(server)) || (worker && !isAlive(worker));
  };
  if (!hasDied()) return;
  await locked(state, async () => {
    // Whoever had the lock may have been `down`, at work on just that.
    if (hasDied()) await upWorker(state, await upServer(state, around), around);
  });
}

/** Ends what was started: the worker first, so that it can say goodbye. Says whether anything ran. */
export async function down(state: string, progress: Surroundings['progress']): Promise<boolean> {
  return await locked(state, async () => {
    const { server, worker, ports } = readDevState(state);
    const ran = isAlive(server) || isAlive(worker);
    if (worker && isAlive(worker)) {
      progress('ending the worker');
      await end(worker, WORKER_GRACE);
    }
    if (server && isAlive(server)) {
      progress('ending the embedded Temporal server');
      await end(server, SERVER_GRACE);
    }
    writeDevState(state, ports ? { ports } : {});
    return ran;
  });
}

/** What runs, without starting anything. */
export function look(state: string) {
  const { server, worker } = readDevState(state);
  return {
    server: isAlive(server) ? { ...describe(server!), pid: server!.pid } : undefined,
    worker: isAlive(worker) ? { pid: worker!.pid, current: worker!.digest === codeDigest() } : undefined,
    files: devFiles(state),
  };
}

function isCurrent({ server, worker }: DevState): boolean {
  return isAlive(server) && isAlive(worker) && worker!.digest === codeDigest() && worker!.server === addressOf(server!);
}

async function upServer(state: string, around: Surroundings): Promise<NonNullable<DevState['server']>> {
  const recorded = readDevState(state);
  if (recorded.server && (await isServing(recorded.server))) return recorded.server;
  // One that is there but does not answer holds the data: it has to go first.
  if (recorded.server) await end(recorded.server, SERVER_GRACE);
  const server = await startServer(state, recorded.ports, around);
  const { port, uiPort, httpPort } = server;
  writeDevState(state, { ...recorded, server, ports: { port, uiPort, httpPort } });
  return server;
}

async function upWorker(state: string, server: NonNullable<DevState['server']>, around: Surroundings): Promise<void> {
  const { worker, ...rest } = readDevState(state);
  const digest = codeDigest();
  const address = addressOf(server);
  if (worker && isAlive(worker) && worker.digest === digest && worker.server === address) return;
  if (worker && isAlive(worker)) {
    around.progress('ending the worker: its code has changed');
    await end(worker, WORKER_GRACE);
  }
  const connection = await Connection.connect({ address, connectTimeout: 10_000 });
  try {
    const started = await startWorker(state, connection, address, around);
    writeDevState(state, { ...rest, worker: { ...started, digest, server: address } });
  } finally {
    await connection.close();
  }
}

function describe(server: NonNullable<DevState['server']>): Embedded {
  return {
    address: addressOf(server),
    ui: `http://127.0.0.1:${server.uiPort}`,
    http: `http://127.0.0.1:${server.httpPort}`,
  };
}
