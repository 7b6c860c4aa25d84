import { hostname } from 'node:os';
import { type NativeConnection, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { createActivities, type Dependencies } from '../activities/index.ts';
import { dataConverter } from '../wire/compact.ts';
import { TASK_QUEUE } from '../workflows/contract.ts';

export interface WorkerOptions extends Dependencies {
  readonly connection: NativeConnection;
  readonly workflowBundle: WorkflowBundleOption;
  readonly namespace?: string;
  readonly taskQueue?: string;
  /** Activities at once, that is hosts at once. Default 100. */
  readonly concurrency?: number;
  readonly identity?: string;
}

/** A worker, not yet running. */
export async function createWorker({
  connection,
  workflowBundle,
  namespace = 'default',
  taskQueue = TASK_QUEUE,
  concurrency = 100,
  identity = `farweave@${hostname()}`,
  ...dependencies
}: WorkerOptions): Promise<Worker> {
  return Worker.create({
    connection,
    namespace,
    taskQueue,
    identity,
    dataConverter,
    workflowBundle,
    activities: createActivities(dependencies),
    maxConcurrentActivityTaskExecutions: concurrency,
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
