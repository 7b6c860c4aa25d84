import {
  ActivityCancellationType,
  ActivityFailure,
  type ActivityOptions,
  ApplicationFailure,
  CancellationScope,
  proxyActivities,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { FailureDetail, Present } from '../activities/contract.ts';
import type { HostSpec } from '../plan/plan.ts';
import { presenceQueue, siteQueue } from './names.ts';

/** Something to be done on a host by whichever worker is there for it. */
interface HostActivity {
  readonly cluster: string;
  readonly host: HostSpec;
  /** Where it is for others too: how they are called together. */
  readonly who?: string;
  readonly type: string;
  /** Behind `host/` in the activity's id. */
  readonly id: string;
  readonly summary: string;
  /** Milliseconds for one attempt. */
  readonly timeout: number;
}

/**
 * A worker that is silent for so long is taken for dead: three beats, since one may be late where a hundred hosts share two cores.
 * To take a living one for dead costs an attempt that follows the same job, so it may be short.
 */
const HEARTBEAT = 10_000;
/** For the loss of workers: somebody who closes a laptop in the evening finds the rollout waiting in the morning. */
const PATIENT = '3 days';
/** How long a site's own workers may leave something waiting before they are asked whether they are there, in milliseconds. */
const UNTOUCHED = 300_000;
/** How long a worker may take to say that it is there. One that starts anew has time to. */
const ANSWER = '10 seconds';
/** For so long an answer holds, in milliseconds. */
const FRESH = 30_000;

/**
 * Has it done by the workers of the cluster, or of the host's site where that has its own. Where nobody is there for the
 * site it fails with Unreachable, as for a host that does not answer: nothing would say when somebody comes.
 */
export function onHost<R>(what: HostActivity, input: unknown): Promise<R> {
  return what.host.workers === 'own' ? atSite<R>(what, input) : scheduled<R>(what, input);
}

/** On which task queue the work on a host waits, where that is another than the workflow's own. */
export function queueOf({ site, workers }: HostSpec): { readonly taskQueue?: string } {
  return workers === 'own' ? { taskQueue: siteQueue(workflowInfo().taskQueue, site) } : {};
}

async function atSite<R>(what: HostActivity, input: unknown): Promise<R> {
  const { host } = what;
  // They may just have much to do. Who waits goes to the end of the queue each time, so the next wait is longer.
  for (let patience = UNTOUCHED; ; patience *= 2) {
    await attended(host.site);
    try {
      return await scheduled<R>(what, input, { ...queueOf(host), scheduleToStartTimeout: patience });
    } catch (error) {
      if (!isUntouched(error)) throw error;
    }
  }
}

function scheduled<R>(
  { cluster, host, who = host.name, type, id, summary, timeout }: HostActivity,
  input: unknown,
  more: Pick<ActivityOptions, 'taskQueue' | 'scheduleToStartTimeout'> = {},
): Promise<R> {
  const activities = proxyActivities<Record<string, (input: unknown) => Promise<R>>>({
    activityId: `${who}/${id}`,
    summary,
    startToCloseTimeout: timeout,
    scheduleToCloseTimeout: PATIENT,
    heartbeatTimeout: HEARTBEAT,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED, // or an undo would begin under a running step
    // For lost workers only: classified failures are non-retryable. Many that are lost in a row are no reason to wait longer.
    retry: { initialInterval: '1s', backoffCoefficient: 1 },
    // Clusters take turns, however many hosts they have.
    priority: { fairnessKey: cluster },
    ...more,
  });
  return activities[type]!(input);
}

const isUntouched = (error: unknown) =>
  error instanceof ActivityFailure &&
  error.cause instanceof TimeoutFailure &&
  error.cause.timeoutType === 'SCHEDULE_TO_START';

/** What has been asked of sites, and when. Every workflow has its own. */
const asked = new Map<string, { readonly at: number; readonly answer: Promise<boolean> }>();

/** Fails unless some worker of the site says that it is there. Those who want to know at the same time ask once. */
async function attended(site: string): Promise<void> {
  const last = asked.get(site);
  const isFresh = last !== undefined && Date.now() - last.at < FRESH;
  const answer = isFresh ? last.answer : ask(site);
  if (!isFresh) asked.set(site, { at: Date.now(), answer });
  if (await answer) return;
  asked.delete(site);
  const command = `farweave worker --site ${site}`;
  throw ApplicationFailure.create({
    type: 'Unreachable',
    message: `no worker polls ${siteQueue(workflowInfo().taskQueue, site)}: start one in ${site} with \`${command}\``,
    nonRetryable: true,
    details: [{ results: [], hint: `Start a worker in ${site}: ${command}` } satisfies FailureDetail],
  });
}

/** A busy worker polls its queue as little as one that is gone. So it has another, which it never leaves. */
function ask(site: string): Promise<boolean> {
  const { 'worker.present': present } = proxyActivities<{ 'worker.present': Present }>({
    taskQueue: presenceQueue(workflowInfo().taskQueue, site),
    summary: `is a worker of ${site} there?`,
    scheduleToStartTimeout: ANSWER,
    startToCloseTimeout: ANSWER,
    retry: { maximumAttempts: 3 },
  });
  return CancellationScope.nonCancellable(() =>
    present().then(
      () => true,
      () => false,
    ),
  );
}
