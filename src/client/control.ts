import {
  ServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { type Control, type ControlReply, type Controls, controlUpdate, REFUSED } from '../workflows/contract.ts';
import type { Farweave } from './connection.ts';
import { EXIT, Failure } from './errors.ts';
import { status } from './remembered.ts';
import { whoAmI } from './who.ts';

/** What was asked of a rollout, and what it answered. */
export interface Controlled {
  readonly cluster: string;
  readonly revision: number;
  readonly workflowId: string;
  readonly control: Control;
  /** A sentence without its full stop: `vm1 is left out; 2 hosts go on`. */
  readonly said: string;
}

/** A control with what it takes. */
export type Wish = { [Name in Control]: { readonly control: Name; readonly request: Controls[Name] } }[Control];

/** A rollout that runs. */
export interface Led {
  readonly cluster: string;
  readonly revision: number;
  readonly workflowId: string;
  /** Every host that the cluster has or had. */
  readonly hosts: readonly string[];
  /** Nobody answers for it: the server has no worker. */
  readonly isMute: boolean;
}

/** Milliseconds for each answer: whoever asks sits there and waits. */
const LIMIT = 10_000;

/**
 * Asks something of the rollout of a cluster that runs, and gives its answer. Who asks stands in the events as
 * `user@host` unless `by` says otherwise.
 * Rejects with a `Failure`: none runs, or it refuses (exit code 1), or no worker has answered within ten seconds (3).
 */
export async function control<Name extends Control>(
  farweave: Farweave,
  cluster: string,
  name: Name,
  request: Controls[Name],
): Promise<Controlled> {
  const rollout = await runningRollout(farweave, cluster);
  if (!rollout) throw noneRuns(cluster);
  return await wish(farweave, rollout, { control: name, request } as Wish);
}

/** The rollout of a cluster that runs; undefined where none does. */
export async function runningRollout(farweave: Farweave, cluster: string): Promise<Led | undefined> {
  try {
    const state = await status(farweave, cluster, { limit: LIMIT });
    if (!state?.rollout) return undefined;
    const { revision, workflowId } = state.rollout;
    return { cluster, revision, workflowId, hosts: Object.keys(state.knowledge.indexes), isMute: false };
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return await listed(farweave, cluster);
  }
}

/** As `control`, of a rollout that has been found. */
export async function wish(farweave: Farweave, rollout: Led, wanted: Wish): Promise<Controlled> {
  const { cluster, revision, workflowId } = rollout;
  const said = await ask(farweave, rollout, wanted).catch(async (error: unknown) => {
    if (!(error instanceof Unheard) || wanted.control !== 'cancel' || wanted.request.undo) throw error;
    return await end(farweave, rollout);
  });
  return { cluster, revision, workflowId, control: wanted.control, said };
}

export function noneRuns(cluster: string): Failure {
  return new Failure(`No rollout of ${cluster} runs.`, { hint: 'farweave status says how the last one ended.' });
}

/** Nobody is there who could do it. Temporal's own cancellation needs nobody. */
class Unheard extends Failure {}

/** The server itself knows what runs, without the help of a worker. */
async function listed({ client }: Farweave, cluster: string): Promise<Led | undefined> {
  const query = `WorkflowType = "rollout" AND WorkflowId STARTS_WITH "rollout:${cluster}:" AND ExecutionStatus = "Running"`;
  for await (const { workflowId } of client.workflow.list({ query }))
    return { cluster, revision: Number(workflowId.split(':').at(-1)), workflowId, hosts: [], isMute: true };
  return undefined;
}

async function ask({ client }: Farweave, rollout: Led, { control: name, request }: Wish): Promise<string> {
  if (rollout.isMute) throw silence(rollout);
  const handle = client.workflow.getHandle(rollout.workflowId);
  const args: [Controls[Control]] = [{ by: whoAmI(), ...request }];
  const update = () => handle.executeUpdate<ControlReply, typeof args>(controlUpdate(name).name, { args });
  try {
    return (await client.withDeadline(Date.now() + LIMIT, update)).said;
  } catch (error) {
    throw explained(error, rollout, name);
  }
}

/** Those of its steps that run are ended, as soon as there is a worker. */
async function end({ client }: Farweave, { workflowId }: Led): Promise<string> {
  await client.withDeadline(Date.now() + LIMIT, () => client.workflow.getHandle(workflowId).cancel());
  return 'Temporal is asked to cancel it: it ends as soon as a worker takes it up, and what it has done stays';
}

function explained(error: unknown, rollout: Led, name: Control): unknown {
  const what = `revision ${rollout.revision} of ${rollout.cluster}`;
  if (error instanceof WorkflowNotFoundError)
    return new Failure(`Too late to ${name}: ${what} has ended.`, { hint: 'farweave status says how.', cause: error });
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return silence(rollout, error);
  if (!(error instanceof WorkflowUpdateFailedError)) return error;
  const why = error.cause instanceof ApplicationFailure ? error.cause : undefined;
  if (why?.type === REFUSED)
    return new Failure(`Refused to ${name} ${what}: ${why.message}.`, {
      hint: 'Nothing has changed. farweave status says how it stands.',
      cause: error,
    });
  // A worker that knows an update refuses it with a type of ours.
  return new Unheard(`The worker of ${what} is of an earlier release, and cannot ${name}.`, {
    details: [why?.message ?? error.message],
    hint: 'Start workers of this release: they take the rollout over where it is. farweave cancel works even so.',
    cause: error,
  });
}

function silence({ cluster, revision, isMute }: Led, cause?: Error): Unheard {
  return new Unheard(`No worker has answered for revision ${revision} of ${cluster} within ${LIMIT / 1_000} seconds.`, {
    ...(!isMute && { details: ['It may still do what was asked when one is back.'] }),
    hint: 'See farweave dev status. Even without a worker, farweave cancel can be sent.',
    exitCode: EXIT.unreachable,
    ...(cause && { cause }),
  });
}
