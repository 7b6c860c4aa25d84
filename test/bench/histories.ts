import type { Client } from '@temporalio/client';

/** What one workflow has cost. */
export interface History {
  readonly events: number;
  readonly bytes: number;
  readonly activities: number;
  /** Bytes of its input. */
  readonly input: number;
  /** The largest payload of all its events, in bytes. */
  readonly payload: number;
  readonly seconds: number;
}

/** The histories of a rollout: its own first, then its children's. */
export async function historiesOf(client: Client, workflowId: string): Promise<readonly [History, ...History[]]> {
  const children = await listed(client, `WorkflowId STARTS_WITH "${workflowId}:"`);
  const all: History[] = [];
  // One after another: a thousand hosts make many, and the server is one that is being measured.
  for (const id of children) all.push(await historyOf(client, id));
  return [await historyOf(client, workflowId), ...all];
}

/** Ids of the workflows that a query finds. */
export async function listed(client: Client, query: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query })) ids.push(workflowId);
  return ids;
}

async function historyOf(client: Client, workflowId: string): Promise<History> {
  const handle = client.workflow.getHandle(workflowId);
  const [{ events }, { historySize, startTime, closeTime }] = await Promise.all([
    handle.fetchHistory(),
    handle.describe(),
  ]);
  const all = events ?? [];
  const started = all[0]?.workflowExecutionStartedEventAttributes;
  return {
    events: all.length,
    bytes: historySize ?? 0,
    activities: all.filter((event) => event.activityTaskScheduledEventAttributes).length,
    input: started?.input?.payloads?.[0]?.data?.length ?? 0,
    payload: Math.max(0, ...all.flatMap((event) => payloadsIn(event))),
    seconds: Math.round(((closeTime ?? new Date()).getTime() - startTime.getTime()) / 100) / 10,
  };
}

/** The sizes of all payloads below a part of an event, wherever the protocol has them. */
function payloadsIn(value: unknown): readonly number[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('data' in value && value.data instanceof Uint8Array) return [value.data.length];
  return Object.values(value).flatMap(payloadsIn);
}
