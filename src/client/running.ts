import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import * as z from 'zod';
import type { Running } from './view.ts';

type Pending = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

/** As activities heartbeat it. */
const Beat = z.object({ step: z.string(), line: z.string() }).partial();

/** What runs on hosts right now: the activities that are pending in a rollout and its sites. */
export async function runningSteps(
  client: Client,
  rollout: WorkflowExecutionDescription,
  sites: readonly string[],
): Promise<readonly Running[]> {
  const descriptions = await Promise.all(sites.map((id) => client.workflow.getHandle(id).describe().catch(ended)));
  return [rollout, ...descriptions]
    .flatMap((description) => description?.raw.pendingActivities ?? [])
    .flatMap(running)
    .toSorted((a, b) => a.since - b.since);
}

/** A site that has come to its end between two looks runs nothing. */
const ended = () => undefined;

/** Activity ids are `host/operation`; others are not about one host. */
function running(pending: Pending): readonly Running[] {
  const [host, operation] = (pending.activityId ?? '').split('/');
  if (!host || !operation || !pending.lastStartedTime?.seconds) return [];
  const beat = Beat.safeParse(firstOf(pending));
  const line = beat.success ? beat.data.line : undefined;
  return [
    {
      host,
      what: (beat.success && beat.data.step) || operation,
      since: milliseconds(pending.lastStartedTime),
      attempt: pending.attempt ?? 1,
      ...(line && { line }),
    },
  ];
}

function milliseconds({ seconds, nanos }: NonNullable<Pending['lastStartedTime']>): number {
  return Number(seconds) * 1_000 + (nanos ?? 0) / 1e6;
}

function firstOf(pending: Pending): unknown {
  const [payload] = pending.heartbeatDetails?.payloads ?? [];
  try {
    return payload ? defaultPayloadConverter.fromPayload(payload) : undefined;
  } catch {
    // Encrypted by a codec that this client does not have: then there is just no line to show.
    return undefined;
  }
}
