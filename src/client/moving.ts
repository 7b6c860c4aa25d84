import { WithStartWorkflowOperation } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { seal } from '../activities/vault.ts';
import { isAccessKey } from '../plan/access-key.ts';
import type { Plan } from '../plan/plan.ts';
import { fromWorker, isCiphertext } from '../plan/sealed.ts';
import { accessTo, bastionsTo } from '../plan/way.ts';
import type { SecretValue } from '../roles/secret.ts';
import {
  type AdoptRequest,
  adoptUpdate,
  type Belongings,
  belongingsQuery,
  type ClusterState,
  clusterId,
  type Moved,
  moveUpdate,
  type RecallInput,
  type RecallResult,
  type Resealed,
  recallId,
  resealUpdate,
} from '../workflows/contract.ts';
import type { Farweave } from './connection.ts';
import { refusal } from './refusal.ts';
import { update } from './requests.ts';
import { whoAmI } from './who.ts';

/** A cluster as the server's list has it; that may be a moment behind. */
export interface Listed {
  readonly cluster: string;
  readonly revision: number;
  /** Of its last rollout, `idle` if there was none. */
  readonly state: string;
  /** Of the workers that serve it. */
  readonly taskQueue: string;
}

/** How long a cluster may take to answer, in milliseconds. */
const ANSWER_LIMIT = 60_000;

const REVISION = defineSearchAttributeKey('FarweaveRevision', 'INT');
const STATE = defineSearchAttributeKey('FarweaveState', 'KEYWORD');

/** The clusters that a server knows, by name. */
export async function clusters({ client }: Farweave): Promise<readonly Listed[]> {
  const found: Listed[] = [];
  const query = 'WorkflowType = "cluster" AND ExecutionStatus = "Running"';
  for await (const { workflowId, typedSearchAttributes: told, taskQueue } of client.workflow.list({ query }))
    found.push({
      cluster: workflowId.slice(clusterId('').length),
      revision: told.get(REVISION) ?? 0,
      state: told.get(STATE) ?? 'idle',
      taskQueue,
    });
  return found.toSorted((one, other) => one.cluster.localeCompare(other.cluster));
}

/** All that a cluster is. It must be known there. */
export async function belongings({ client }: Farweave, cluster: string): Promise<Belongings> {
  const handle = client.workflow.getHandle(clusterId(cluster));
  return await client.withDeadline(Date.now() + ANSWER_LIMIT, () => handle.query(belongingsQuery));
}

/** Keeps a server from rolling the cluster out any more. Rejects with a `Failure` where it runs, or is past that revision. */
export async function moveAway(
  { client }: Farweave,
  cluster: string,
  request: { readonly by: string; readonly revision: number },
): Promise<Moved> {
  const handle = client.workflow.getHandle(clusterId(cluster));
  return await client
    .withDeadline(Date.now() + ANSWER_LIMIT, () => handle.executeUpdate(moveUpdate, { args: [request] }))
    .catch(refused);
}

/** The cluster goes on at this server. Rejects with a `Failure` where it is known here, or runs. */
export async function adopt(farweave: Farweave, cluster: string, request: AdoptRequest): Promise<ClusterState> {
  const startWorkflowOperation = new WithStartWorkflowOperation('cluster', {
    workflowId: clusterId(cluster),
    taskQueue: farweave.taskQueue,
    args: [{ name: cluster }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: `cluster ${cluster}`,
  });
  const { client } = farweave;
  return await client
    .withDeadline(Date.now() + ANSWER_LIMIT, () =>
      client.workflow.executeUpdateWithStart(adoptUpdate, { startWorkflowOperation, args: [request] }),
    )
    .catch(refused);
}

/** Has a cluster's secrets sealed anew for the identity that its workers have by now. Rejects with a `Failure` where nobody answers. */
export const reseal = (farweave: Farweave, cluster: string): Promise<Resealed> =>
  update(farweave, cluster, resealUpdate, { by: whoAmI() });

/** Asks the hosts of a plan whose they are. `secrets` are values from the spec, for the access to them. */
export async function recall(
  farweave: Farweave,
  { cluster, hosts, bastions, secrets: sources }: Pick<Plan, 'cluster' | 'hosts' | 'bastions' | 'secrets'>,
  secrets: Readonly<Record<string, SecretValue>>,
  request: string,
): Promise<RecallResult> {
  const recipient = await farweave.recipient();
  // The cluster's own key is what nobody has yet.
  const given = accessTo(hosts, bastions).filter((name) => !isAccessKey(name));
  const entries = given.map(async (name) => {
    const source = sources[name];
    if (source?.from === 'worker') return [name, fromWorker(source.entry)] as const;
    return [name, await seal(recipient, secrets[name] ?? '')] as const;
  });
  const sealed = Object.fromEntries(await Promise.all(entries));
  return await farweave.client.workflow.execute<(input: RecallInput) => Promise<RecallResult>>('recall', {
    workflowId: recallId(cluster, request),
    taskQueue: farweave.taskQueue,
    args: [{ cluster, hosts, ...bastionsTo(hosts, bastions), sealed }],
    staticSummary: `whose the hosts of ${cluster} are`,
  });
}

/** Secrets sealed anew, for other workers; `lost` are those that could not be opened. An entry of a worker's own list stays one. */
export async function resealed(
  sealed: Belongings['sealed'],
  open: (sealed: string) => Promise<string>,
  recipient: string,
): Promise<{ readonly sealed: Belongings['sealed']; readonly lost: readonly string[] }> {
  const lost: string[] = [];
  const entries = Object.entries(sealed).map(async ([name, text]) => {
    if (!isCiphertext(text)) return [[name, text] as const];
    const value = await open(text).catch(() => undefined);
    if (value !== undefined) return [[name, await seal(recipient, value)] as const];
    lost.push(name);
    return [];
  });
  return { sealed: Object.fromEntries((await Promise.all(entries)).flat()), lost: lost.toSorted() };
}

function refused(error: unknown): never {
  throw refusal(error);
}
