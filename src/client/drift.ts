import { randomUUID } from 'node:crypto';
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type ScheduleOptions,
  type ScheduleOptionsStartWorkflowAction,
  WorkflowFailedError,
} from '@temporalio/client';
import { type DriftInput, type DriftResult, driftId } from '../workflows/contract.ts';
import type { Farweave } from './connection.ts';
import { EXIT, Failure } from './errors.ts';
import { whoAmI } from './who.ts';

/** A workflow, as clients and schedules start it. */
type Drift = (input: DriftInput) => Promise<DriftResult>;

/** Without a worker a look waits, and is given up after this. In milliseconds. */
const LIMIT = 900_000;

/** Asks every host for what is not as the last apply made it. Needs no cluster file: the cluster knows what it is. Rejects with a `Failure` where no answer comes. */
export async function drift({ client, taskQueue }: Farweave, cluster: string): Promise<DriftResult> {
  try {
    return await client.workflow.execute<Drift>('drift', {
      workflowId: driftId(cluster, randomUUID().slice(0, 8)),
      args: [{ cluster, by: whoAmI() }],
      taskQueue,
      workflowExecutionTimeout: LIMIT,
      staticSummary: summaryOf(cluster),
    });
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    throw new Failure(`The look for drift has not ended well: ${error.cause?.message ?? error.message}`, {
      hint: 'farweave dev status says whether a worker runs.',
      exitCode: EXIT.unreachable,
      cause: error,
    });
  }
}

/** When looks for drift are taken by themselves. */
export interface DriftSchedule {
  /** Milliseconds from one to the next. */
  readonly every: number;
  readonly next?: Date;
  /** When the last one began. */
  readonly last?: Date;
}

/** Has the server look for drift every so many milliseconds, from now on. Takes the place of what was scheduled before. */
export async function scheduleDrift({ client, taskQueue }: Farweave, cluster: string, every: number): Promise<void> {
  const options: Omit<ScheduleOptions<ScheduleOptionsStartWorkflowAction<Drift>>, 'scheduleId' | 'state' | 'memo'> = {
    // Clusters of one server should not all be asked at once.
    spec: { intervals: [{ every }], jitter: Math.min(every / 10, 60_000) },
    action: {
      type: 'startWorkflow',
      workflowType: 'drift',
      workflowId: driftId(cluster, 'scheduled'),
      args: [{ cluster }],
      taskQueue,
      workflowExecutionTimeout: LIMIT,
      staticSummary: summaryOf(cluster),
    },
    // What was missed is missed: the next look sees the same.
    policies: { overlap: 'SKIP', catchupWindow: '1 minute' },
  };
  try {
    await client.schedule.create<Drift>({ scheduleId: driftId(cluster), ...options });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(driftId(cluster)).update<Drift>(({ state }) => ({ ...options, state }));
  }
}

/** Undefined where none is scheduled. */
export async function driftSchedule({ client }: Farweave, cluster: string): Promise<DriftSchedule | undefined> {
  try {
    const { spec, info } = await client.schedule.getHandle(driftId(cluster)).describe();
    const [next] = info.nextActionTimes;
    const last = info.recentActions.at(-1)?.takenAt;
    return { every: spec.intervals?.[0]?.every ?? 0, ...(next && { next }), ...(last && { last }) };
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

/** No more looks by themselves, as for a cluster that is no longer here. Says whether any were scheduled. */
export async function unschedule({ client }: Farweave, cluster: string): Promise<boolean> {
  try {
    await client.schedule.getHandle(driftId(cluster)).delete();
    return true;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return false;
    throw error;
  }
}

const summaryOf = (cluster: string) => `what of ${cluster} is not as it was rolled out`;
