import type { temporal } from '@temporalio/proto';
import { client, until } from './drive.ts';

/** What one workflow has left behind. Bytes are those that the server keeps. */
interface Weighed {
  readonly workflowId: string;
  readonly type: string;
  readonly events: number;
  /** Of the whole history. */
  readonly bytes: number;
  /** The largest payload that one field of one event holds, and whose it is. */
  readonly payload: Payload;
  readonly activities: number;
}

interface Payload {
  readonly bytes: number;
  readonly where: string;
}

const NONE: Payload = { bytes: 0, where: 'nothing' };

/** The one with the most bytes. */
export const heaviestOf = (payloads: readonly Payload[]): Payload =>
  payloads.reduce((one, other) => (other.bytes > one.bytes ? other : one), NONE);

/** Every history that a cluster and its rollouts have left, each run of a workflow by itself. */
export async function weighed(cluster: string): Promise<readonly Weighed[]> {
  const query = `WorkflowId = "cluster:${cluster}" OR WorkflowId STARTS_WITH "rollout:${cluster}:"`;
  await until(async () => (await client.workflow.count(query)).count > 0);
  const all: Weighed[] = [];
  for await (const { workflowId, runId, type } of client.workflow.list({ query })) {
    const handle = client.workflow.getHandle(workflowId, runId);
    const [history, { historySize = 0 }] = await Promise.all([handle.fetchHistory(), handle.describe()]);
    const events = history.events ?? [];
    const payload = heaviestOf(events.map((event) => heaviest(event, `${workflowId} ${String(event.eventId)}`)));
    const activities = events.filter((event) => event.activityTaskScheduledEventAttributes).length;
    all.push({ workflowId, type, events: events.length, bytes: historySize, payload, activities });
  }
  return all;
}

/** Bytes of the answer to a query, as it travels. */
export async function answerOf(workflowId: string, query: string): Promise<Payload> {
  const { queryResult } = await client.workflowService.queryWorkflow({
    namespace: 'default',
    execution: { workflowId },
    query: { queryType: query },
  });
  return heaviest({ queryResult }, `${workflowId} ${query}`);
}

/** Payloads of one field count together: so does the server's limit. Maps such as a memo hold several fields. */
function heaviest(value: unknown, where: string): Payload {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return NONE;
  if ('payloads' in value && Array.isArray(value.payloads)) {
    const payloads = value.payloads as readonly temporal.api.common.v1.IPayload[];
    return { bytes: payloads.reduce((all, { data }) => all + (data?.length ?? 0), 0), where };
  }
  if ('data' in value && value.data instanceof Uint8Array) return { bytes: value.data.length, where };
  const inside = Object.entries(value).map(([field, held]) => heaviest(held, `${where} ${field}`));
  return heaviestOf(inside);
}
