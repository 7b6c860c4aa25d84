import { hostname } from 'node:os';
import { type NativeConnection, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { createActivities, type Dependencies } from '../activities/index.ts';
import { dataConverter } from '../wire/compact.ts';
import { presenceQueue, siteQueue, TASK_QUEUE } from '../workflows/contract.ts';

interface Options extends Dependencies {
  readonly connection: NativeConnection;
  readonly namespace?: string;
  /** That of the workflows. */
  readonly taskQueue?: string;
  /** Activities at once, that is hosts at once. Default 100. */
  readonly concurrency?: number;
  /** Activities that begin within a second. The server shares it among all workers of the queue. Missing: any number. */
  readonly rate?: number;
  readonly identity?: string;
}

export interface WorkerOptions extends Options {
  readonly workflowBundle: WorkflowBundleOption;
}

export interface SiteWorkerOptions extends Options {
  readonly site: string;
}

/** A worker, not yet running. */
export async function createWorker(options: WorkerOptions): Promise<Worker> {
  return create(options);
}

/**
 * The workers of a process that works on the hosts of one site, not yet running. They know no workflow. The second only says
 * that it is there: one that has its hands full does not ask the server for more, and would be taken for gone.
 */
export async function createSiteWorkers({ site, rate, ...options }: SiteWorkerOptions): Promise<readonly Worker[]> {
  const { taskQueue: base = TASK_QUEUE } = options;
  return Promise.all([
    create({ ...options, taskQueue: siteQueue(base, site), ...(rate !== undefined && { rate }) }),
    create({ ...options, taskQueue: presenceQueue(base, site), concurrency: 10 }),
  ]);
}

function create({
  connection,
  workflowBundle,
  namespace = 'default',
  taskQueue = TASK_QUEUE,
  concurrency = 100,
  rate,
  identity = `farweave@${hostname()}`,
  ...dependencies
}: Options & Partial<WorkerOptions>): Promise<Worker> {
  return Worker.create({
    connection,
    namespace,
    taskQueue,
    identity,
    dataConverter,
    ...(workflowBundle && { workflowBundle }),
    activities: createActivities(dependencies),
    maxConcurrentActivityTaskExecutions: concurrency,
    ...(rate !== undefined && { maxTaskQueueActivitiesPerSecond: rate }),
    // Activities beat seldom enough by themselves. What they say in between is to be seen soon, and a heartbeat brings back
    // word of a cancellation: so long may one take to arrive, with what lies between two beats.
    maxHeartbeatThrottleInterval: '1s',
    // What is meant for a worker that was killed goes to another so much later. One that is only slow loses its cache, no more.
    stickyQueueScheduleToStartTimeout: '3s',
    // Activities let go of what runs on their hosts at once; this is for what they still have to say.
    shutdownGraceTime: 0,
    shutdownForceTime: '20s',
  });
}

/** Runs workers of one process until they are told to end. The end of one is the end of all. */
export async function runTogether(workers: readonly Worker[]): Promise<void> {
  const end = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  await Promise.all(workers.map((worker) => worker.run().finally(end)));
}
