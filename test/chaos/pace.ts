import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, Connection, Client as TemporalClient } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import * as z from 'zod';

/** A sign that a rollout gets on: a step that changes its state, or a remote log that grows. */
export interface Moment {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly host: string;
  readonly what: string;
}

/** Milliseconds between two looks. */
const EVERY = 200;
const LOOK_LIMIT = 3_000;

/** What activities heartbeat of a remote job. */
const Beat = z.object({ job: z.string(), offset: z.number() });

/**
 * Watches how a rollout gets on, by the server alone: it needs no worker, hence sees just when the next one is at work.
 * What steps begin or finish carries the server's time; that a log grows is known from heartbeats, some seconds late.
 */
export class Pace {
  readonly moments: Moment[] = [];
  readonly #seen = new Map<string, number>();
  readonly #offsets = new Map<string, string>();
  readonly #hosts = new Map<string, string>();
  readonly #workflowId: string;
  readonly #client: () => Promise<Client>;
  #stopped = false;

  constructor(client: () => Promise<Client>, workflowId: string) {
    this.#client = client;
    this.#workflowId = workflowId;
    void this.#watch();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** The first moment later than `at`, on that host if one is told; undefined where none comes within `limit` ms. */
  async after(at: number, { limit, host }: { readonly limit: number; readonly host?: string | undefined }) {
    for (const end = Date.now() + limit; ; await sleep(50)) {
      const later = this.moments.filter((moment) => moment.at > at && (host === undefined || moment.host === host));
      const [first] = later.toSorted((one, other) => one.at - other.at);
      if (first || this.#stopped || Date.now() > end) return first;
    }
  }

  async #watch(): Promise<void> {
    while (!this.#stopped) {
      // While the server is away there is nothing to be seen.
      await this.#look().catch(() => undefined);
      await sleep(EVERY);
    }
  }

  async #look(): Promise<void> {
    const client = await this.#client();
    await client.withDeadline(Date.now() + LOOK_LIMIT, async () => {
      const { raw, status } = await client.workflow.getHandle(this.#workflowId).describe();
      const children = (raw.pendingChildren ?? []).flatMap(({ workflowId }) => workflowId ?? []);
      await Promise.all([this.#workflowId, ...children].map((id) => this.#lookAt(client, id)));
      if (status.name !== 'RUNNING') this.stop();
    });
  }

  async #lookAt(client: Client, workflowId: string): Promise<void> {
    const [{ raw }, { history }] = await Promise.all([
      client.workflow.getHandle(workflowId).describe(),
      client.workflowService.getWorkflowExecutionHistoryReverse({
        namespace: 'default',
        execution: { workflowId },
        maximumPageSize: 50,
      }),
    ]);
    const seen = this.#seen.get(workflowId) ?? 0;
    for (const event of (history?.events ?? []).toReversed()) {
      const id = Number(event.eventId);
      if (id <= seen) continue;
      this.#seen.set(workflowId, id);
      const { activityTaskScheduledEventAttributes: scheduled, activityTaskCompletedEventAttributes: completed } =
        event;
      if (scheduled) this.#hosts.set(`${workflowId} ${id}`, scheduled.activityId ?? '');
      const activity = scheduled
        ? scheduled.activityId
        : completed && this.#hosts.get(`${workflowId} ${Number(completed.scheduledEventId)}`);
      if (activity) this.#note(milliseconds(event.eventTime), activity, scheduled ? 'begins' : 'is through');
    }
    for (const { activityId, heartbeatDetails, lastHeartbeatTime } of raw.pendingActivities ?? []) {
      const beat = Beat.safeParse(decoded(heartbeatDetails?.payloads?.[0]));
      if (!beat.success || !activityId) continue;
      const grown = `${beat.data.job} ${beat.data.offset}`;
      const before = this.#offsets.get(activityId);
      this.#offsets.set(activityId, grown);
      if (before !== undefined && before !== grown && beat.data.offset > 0)
        this.#note(milliseconds(lastHeartbeatTime), activityId, 'writes its log');
    }
  }

  #note(at: number, activity: string, how: string): void {
    this.moments.push({ at, host: activity.split('/')[0] ?? '', what: `${activity} ${how}` });
  }
}

/** Clients of a server that may come back at another address. */
export function clients(address: () => string | undefined): () => Promise<Client> {
  let current: { readonly address: string; readonly client: Client } | undefined;
  return async () => {
    const wanted = address();
    if (wanted === undefined) throw new Error('the server is away');
    if (current?.address !== wanted) {
      const connection = await Connection.connect({ address: wanted, connectTimeout: LOOK_LIMIT });
      current = { address: wanted, client: new TemporalClient({ connection }) };
    }
    return current.client;
  };
}

type Time = { readonly seconds?: unknown; readonly nanos?: number | null } | null | undefined;

function milliseconds(time: Time): number {
  return Number(time?.seconds ?? 0) * 1_000 + (time?.nanos ?? 0) / 1e6;
}

function decoded(payload: Payload | undefined): unknown {
  return payload ? defaultPayloadConverter.fromPayload(payload) : undefined;
}
