import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, ConnectionLike } from '@temporalio/client';
import { TASK_QUEUE } from '../../workflows/contract.ts';
import { EXIT, Failure } from '../errors.ts';
import { isAlive, type Process, startDetached } from './process.ts';
import { lastLines, plainEnv } from './server.ts';
import { devFiles } from './state.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** `src` of a checkout, or `dist` of the installed package. */
const sources = resolve(import.meta.dirname, '../..');
const START_LIMIT = 120_000;

/** The program that a worker runs. */
export const workerProgram = join(sources, 'worker', `main${extname(import.meta.filename)}`);

/** Names the code that a worker runs, what it sends to hosts included: another digest means that it is to be started anew. */
export function codeDigest(): string {
  const hash = createHash('sha256').update(readFileSync(join(sources, '../package.json')));
  const files = readdirSync(sources, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.includes('.test.'))
    .map((entry) => relative(sources, join(entry.parentPath, entry.name)))
    // Workers run neither of them.
    .filter((file) => !file.startsWith('client/') && !file.startsWith('lab/'))
    .sort();
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(sources, file)));
  return hash.digest('hex').slice(0, 16);
}

const OURS = [
  'FARWEAVE_WORKER_SECRETS',
  'FARWEAVE_CONCURRENCY',
  'FARWEAVE_RATE',
  'FARWEAVE_SESSIONS',
  'FARWEAVE_STARTS_PER_SECOND',
];

/** What a worker finds in its environment. */
export function workerEnv(state: string, server: { address: string; namespace: string }, env: Env): Env {
  return {
    ...plainEnv(env),
    ...Object.fromEntries(Object.entries(env).filter(([name]) => OURS.includes(name))),
    // Its threads would each keep what they have freed to themselves: half of what it holds with hundreds of connections.
    MALLOC_ARENA_MAX: '2',
    FARWEAVE_STATE: state,
    TEMPORAL_ADDRESS: server.address,
    TEMPORAL_NAMESPACE: server.namespace,
  };
}

/** Starts a worker in the background and waits until it asks for work. */
export async function startWorker(
  state: string,
  connection: Connection,
  address: string,
  { env, progress }: { env: Env; progress: (line: string) => void },
): Promise<Process> {
  progress('starting a worker');
  const { folder, log, agent } = devFiles(state);
  const began = Date.now();
  const process_ = await startDetached(process.execPath, [workerProgram], {
    log: log.worker,
    env: { ...workerEnv(state, { address, namespace: 'default' }, env), SSH_AUTH_SOCK: agent },
    cwd: folder,
  });
  for (const deadline = began + START_LIMIT; isAlive(process_) && Date.now() < deadline; await sleep(100)) {
    if (await isPolled(connection, { namespace: 'default', taskQueue: TASK_QUEUE }, began)) return process_;
  }
  throw new Failure('The worker does not start.', {
    details: lastLines(log.worker, 15),
    hint: `See ${log.worker}.`,
    exitCode: EXIT.unreachable,
  });
}

/** Whether any worker has asked for work since a moment, in milliseconds since 1970. */
export async function isPolled(
  connection: Pick<ConnectionLike, 'withDeadline' | 'workflowService'>,
  { namespace, taskQueue }: { readonly namespace: string; readonly taskQueue: string },
  since: number,
  work: keyof typeof TASK_QUEUE_TYPES = 'workflows',
): Promise<boolean> {
  const { pollers } = await connection.withDeadline(Date.now() + 5_000, () =>
    connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: taskQueue },
      taskQueueType: TASK_QUEUE_TYPES[work],
    }),
  );
  return (pollers ?? []).some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1_000 + 999 >= since);
}

/** `temporal.api.enums.v1.TaskQueueType`. */
const TASK_QUEUE_TYPES = { workflows: 1, activities: 2 } as const;
