import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, isGrpcServiceError, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { type Outcome, outcomeOf, type Progress, planQuery, progressQuery, rolloutId } from '../workflows/contract.ts';
import type { Farweave } from './connection.ts';
import { EXIT, Failure } from './errors.ts';
import { latestRevision } from './remembered.ts';
import { runningSteps } from './running.ts';
import { merge, type View } from './view.ts';
import { waitsOf } from './waits.ts';

/** A rollout that can be followed. */
export interface Followed {
  readonly cluster: string;
  readonly revision: number;
  readonly workflowId: string;
}

export interface FollowOptions {
  /** Milliseconds from one look to the next. */
  readonly interval?: number;
  /** Ask too what runs on hosts at the moment: a request more for each site. */
  readonly running?: boolean;
  /** Ends the following, not the rollout. */
  readonly signal?: AbortSignal;
  /** Called every few seconds, to start again a server or worker that has died. */
  readonly revive?: () => Promise<unknown>;
}

const QUERY_LIMIT = 10_000;
const REVIVE_EVERY = 2_000;
/** How long nobody may answer before following is given up. The rollout itself waits as long as it takes. */
const LOST_LIMIT = 5 * 60_000;

/**
 * What becomes of a rollout, look by look, to its end; the last view holds the outcome.
 * `revision` is the one that runs, or the last one, unless told.
 */
export async function* watch(
  farweave: Farweave,
  cluster: string,
  { revision, ...options }: FollowOptions & { readonly revision?: number } = {},
): AsyncGenerator<View> {
  const wanted = revision ?? (await latestRevision(farweave, cluster));
  const rollout = { cluster, revision: wanted, workflowId: rolloutId(cluster, wanted) };
  yield* follow(farweave.client, rollout, { revive: farweave.revive, ...options });
}

/**
 * What becomes of a rollout, look by look; the last view holds the outcome. Ends early only where `signal` says so.
 * Throws a `Failure` where Temporal or its workers are silent for five minutes.
 */
export async function* follow(client: Client, rollout: Followed, options: FollowOptions = {}): AsyncGenerator<View> {
  const { interval = 500, signal } = options;
  let last: View | undefined;
  let heard = Date.now();
  const revive = reviver(options);
  for (;;) {
    if (signal?.aborted) return;
    revive();
    const began = Date.now();
    const look = await see(client, rollout, last, options).catch(asTrouble);
    if ('plan' in look) {
      heard = Date.now();
      last = look;
      yield look;
      if (look.outcome) return;
    } else {
      if (Date.now() - heard > LOST_LIMIT) throw lost(look.trouble);
      if (last) yield { ...last, running: [], trouble: look.trouble };
    }
    // A look at many sites is work for the worker: it is not to be kept from its own.
    await sleep(Math.max(interval, Date.now() - began), undefined, { ...(signal && { signal }) }).catch(() => {});
  }
}

async function see(client: Client, rollout: Followed, last: View | undefined, options: FollowOptions): Promise<View> {
  const handle = client.workflow.getHandle(rollout.workflowId);
  const limited = <T>(ask: () => Promise<T>) => client.connection.withDeadline(Date.now() + QUERY_LIMIT, ask);
  const description = await limited(() => handle.describe());
  // One that was terminated before a worker took it up answers no query, ever.
  if (!ANSWERING.has(description.status.name)) await endingOf(client, rollout);
  const [plan, own] = await limited(() =>
    Promise.all([last?.plan ?? handle.query(planQuery), handle.query(progressQuery)]),
  );
  const asked = await Promise.all(
    own.children.map(async (id) => [siteOf(id), await siteProgress(client, id)] as const),
  );
  const sites = new Map(asked.filter((one): one is readonly [string, Progress] => one[1] !== undefined));
  const view: View = {
    cluster: rollout.cluster,
    revision: rollout.revision,
    runId: description.runId,
    began: description.startTime.getTime(),
    ...(description.closeTime && { ended: description.closeTime.getTime() }),
    plan,
    progress: merge(own, [...sites.values()]),
    waits: waitsOf(own, sites),
    running: options.running ? await runningSteps(client, description, own.children) : [],
  };
  if (description.status.name === 'RUNNING') return view;
  return { ...view, outcome: await endingOf(client, rollout, view.progress) };
}

/** Its id ends with it. */
const siteOf = (workflowId: string) => workflowId.slice(workflowId.lastIndexOf(':') + 1);

/** The other ends come from outside, and only the server knows of them. */
const ANSWERING: ReadonlySet<string> = new Set(['RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED']);

/** A site may end between its parent's answer and its own; then its steps are in the parent's next one. */
async function siteProgress(client: Client, workflowId: string): Promise<Progress | undefined> {
  return await client.connection
    .withDeadline(Date.now() + QUERY_LIMIT, () => client.workflow.getHandle(workflowId).query(progressQuery))
    .catch(() => undefined);
}

/** How a rollout ended. Throws a `Failure` where it was ended from outside. */
async function endingOf(client: Client, { workflowId }: Followed, seen?: Progress): Promise<Outcome> {
  try {
    return await client.workflow.getHandle<() => Promise<Outcome>>(workflowId).result();
  } catch (error) {
    const outcome = outcomeOf(error);
    // A cancellation carries no account of its own.
    if (outcome?.state === 'cancelled') return { ...outcome, ...(seen && pick(seen)) };
    if (outcome) return outcome;
    if (!(error instanceof WorkflowFailedError)) throw error;
    throw new Failure(`${workflowId} was ended from outside: ${error.cause?.message ?? error.message}`, {
      hint: 'farweave apply begins anew; what is done already stays so.',
      cause: error,
    });
  }
}

const pick = ({ changed, parked, problems }: Progress) => ({ changed, parked, problems });

function asTrouble(error: unknown): { readonly trouble: string } {
  if (error instanceof Failure) throw error;
  if (error instanceof WorkflowNotFoundError) throw new Failure(`There is no rollout ${error.workflowId}.`);
  if (error instanceof Error) return { trouble: explain(error) };
  throw error;
}

function explain(error: Error): string {
  if (isGrpcServiceError(error) || isGrpcServiceError(error.cause))
    return 'no answer yet: the server or its worker is away';
  return `no answer yet: ${error.message.split('\n')[0]}`;
}

/** Beside the looks, not between them: one of these may wait for what the other brings back. */
function reviver({ revive }: FollowOptions): () => void {
  let next = Date.now() + REVIVE_EVERY;
  let isBusy = false;
  return () => {
    if (!revive || isBusy || Date.now() < next) return;
    isBusy = true;
    // What keeps it from coming back is told when nobody has answered for long enough.
    void revive()
      .catch(() => {})
      .finally(() => {
        isBusy = false;
        next = Date.now() + REVIVE_EVERY;
      });
  };
}

function lost(trouble: string): Failure {
  return new Failure(`Nobody has answered for ${LOST_LIMIT / 60_000} minutes: ${trouble}`, {
    hint: 'The rollout goes on when server and workers are back. farweave watch comes back to it.',
    exitCode: EXIT.unreachable,
  });
}
