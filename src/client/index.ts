import { WithStartWorkflowOperation } from '@temporalio/client';
import { seal } from '../activities/vault.ts';
import { type Aim, allot, compilePlan } from '../plan/compile.ts';
import { digestOf } from '../plan/digest.ts';
import { type Packed, pack } from '../plan/pack.ts';
import { groups, type Knowledge, type Plan } from '../plan/plan.ts';
import { absent } from '../plan/sealed.ts';
import type { SecretValue } from '../roles/secret.ts';
import type { Cluster } from '../spec/cluster.ts';
import { keep, readKept } from '../spec/kept.ts';
import {
  type ApplyReply,
  applyUpdate,
  type ClusterView,
  clusterId,
  type Former,
  type LookInput,
  type LookResult,
  lookId,
  progressQuery,
  resumeSignal,
  type Wanted,
} from '../workflows/contract.ts';
import type { Farweave } from './connection.ts';
import { Failure } from './errors.ts';
import type { Followed } from './follow.ts';
import { refusal } from './refusal.ts';
import { type Spared, spared } from './spared.ts';
import { isStuck } from './view.ts';
import { whoAmI } from './who.ts';

export { parseCluster } from '../spec/parse.ts';
export { SpecError } from '../spec/problem.ts';
export { resolveSecrets, SecretsError } from '../spec/secrets.ts';
export { Changes, changeLine, type StepChange } from './changes.ts';
export { type ConnectOptions, connect, type Farweave } from './connection.ts';
export { type Controlled, control } from './control.ts';
export { type DriftSchedule, drift, driftSchedule, scheduleDrift, unschedule } from './drift.ts';
export { Failure } from './errors.ts';
export { type Followed, type FollowOptions, watch } from './follow.ts';
export { hostKeyRotation, rotated } from './host-key-rotation.ts';
export {
  addHost,
  approveHost,
  begunRequest,
  type Requested,
  removeHost,
  replaceHost,
  requestOf,
  withdrawHost,
} from './hosts.ts';
export { latestRevision, status } from './remembered.ts';
export { acceptHostKey, followUp, repair, rollbackTo, withdraw } from './requests.ts';
export { rotation } from './rotation.ts';
export type { Running, View } from './view.ts';
export { whoAmI } from './who.ts';

/** A plan, with what it was made from. */
export interface Draft {
  readonly plan: Plan;
  readonly digest: string;
  /** The version of the cluster's knowledge; a server that knows better refuses the plan. */
  readonly basis: number;
  readonly knowledge: Knowledge;
  /** cluster.yaml as the cluster keeps it. Missing: its hosts cannot be changed by a request. */
  readonly wanted?: Wanted;
  /** The one that hosts are leaving. */
  readonly former?: Former;
  /** Credentials that need not be given. */
  readonly spared?: Spared;
  /** The plan once they have left, or the whole one of which `plan` is a part. */
  readonly after?: { readonly plan: Plan; readonly digest: string; readonly part?: true };
}

/** A rollout that was begun or, where the same plan is being rolled out already, found. */
export interface Begun extends Followed, Pick<ApplyReply, 'attached' | 'queued' | 'digest' | 'purpose' | 'runId'> {
  /** It was paused on a failure, and now tries again. */
  readonly again: boolean;
}

/** The plan for a cluster, given what a server remembers of it (nothing, for a new one). `data`: a destroy erases it. Pure. */
export function draft(
  cluster: Cluster,
  state: ClusterView | undefined,
  purpose: Aim = 'apply',
  { data = false } = {},
): Draft {
  const known = state?.knowledge ?? { indexes: {} };
  const former = purpose === 'apply' || purpose === 'destroy' ? state?.former : undefined;
  const before = former && readKept(former);
  const plan = compilePlan(cluster, known, {
    purpose,
    data: data || former?.data === true,
    ...(before && { before, forced: former.forced === true }),
  });
  const leaves = purpose === 'apply' && plan.hosts.some(({ leaving }) => leaving);
  const after = leaves ? compilePlan(cluster, known) : undefined;
  return {
    plan,
    digest: digestOf(plan),
    basis: state?.version ?? 0,
    knowledge: allot(cluster, known),
    spared: spared(plan, cluster.secrets, state),
    wanted: keep(cluster),
    ...(leaves && former && { former }),
    ...(after && { after: { plan: after, digest: digestOf(after) } }),
  };
}

/**
 * Begins to roll a plan out, or finds the rollout that does; one that is paused on a failure is made to try again.
 * `secrets` are the values of the plan's secrets `from: 'spec'`; they leave this process sealed. Those that were sealed before
 * are opened once by the workers, before anything begins.
 * With `queue` it waits where another rollout runs: then the answer is about that one, and `queued`.
 * Rejects with a `Failure` where the cluster refuses.
 */
export async function apply(
  farweave: Farweave,
  { plan, after, spared: free, ...made }: Draft,
  secrets: Readonly<Record<string, SecretValue>>,
  { queue = false } = {},
): Promise<Begun> {
  const { client } = farweave;
  const sealed = await sealAll(farweave, { plan, ...(free && { spared: free }) }, secrets);
  const given = Object.keys(sealed).filter((name) => typeof secrets[name] === 'object');
  const startWorkflowOperation = new WithStartWorkflowOperation('cluster', {
    workflowId: clusterId(plan.cluster),
    taskQueue: farweave.taskQueue,
    args: [{ name: plan.cluster }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: `cluster ${plan.cluster}`,
  });
  try {
    const reply = await client.withDeadline(Date.now() + 60_000, () =>
      client.workflow.executeUpdateWithStart(applyUpdate, {
        startWorkflowOperation,
        args: [
          {
            ...made,
            plan: pack(plan),
            ...(after && { after: { ...after, plan: pack(after.plan) } }),
            sealed,
            ...(given.length > 0 && { given }),
            by: whoAmI(),
            ...(queue && { queue }),
          },
        ],
      }),
    );
    const again = reply.attached && (await triesAgain(farweave, reply));
    return { cluster: plan.cluster, again, ...reply };
  } catch (error) {
    throw refusal(error);
  }
}

/** Asks the hosts, and only asks: what is, what should be, what would run. */
export async function look(
  farweave: Farweave,
  made: Draft,
  secrets: Readonly<Record<string, SecretValue>>,
  { request, state }: { readonly request: string; readonly state: ClusterView | undefined },
): Promise<LookResult> {
  const sealed = { ...state?.sealed, ...(await sealAll(farweave, made, secrets)) };
  const { plan } = made;
  // A cluster without an id has no hosts yet, so that any owner is another.
  const owner = { id: state?.owner ?? '', cluster: plan.cluster, by: whoAmI(), since: '' };
  const input: Packed<LookInput> = { plan: pack(plan), sealed, facts: state?.facts ?? {}, owner };
  const results = await Promise.all(
    groups(
      LOOKED_AT,
      plan.hosts.map(({ name }) => name),
    ).map((hosts, n) =>
      farweave.client.workflow.execute<(input: Packed<LookInput>) => Promise<LookResult>>('look', {
        workflowId: lookId(plan.cluster, n === 0 ? request : `${request}-${n + 1}`),
        taskQueue: farweave.taskQueue,
        args: [{ ...input, hosts }],
        staticSummary: `what differs on hosts of ${plan.cluster}`,
      }),
    ),
  );
  return {
    findings: Object.assign({}, ...results.map(({ findings }) => findings)) as LookResult['findings'],
    problems: results.flatMap(({ problems }) => problems),
  };
}

/** Hosts a workflow. What would run on a fresh host takes some 30 kB, and Temporal takes 2 MB at once. */
const LOOKED_AT = 25;

/** What is not given to destroy a cluster it may still know. */
async function sealAll(
  farweave: Farweave,
  { plan, spared: free }: Pick<Draft, 'plan' | 'spared'>,
  secrets: Readonly<Record<string, SecretValue>>,
) {
  const isMeant = (name: string) => plan.purpose !== 'destroy' || secrets[name] !== undefined;
  const isKept = (name: string) => secrets[name] === undefined && free?.kept.has(name) === true;
  const names = Object.keys(plan.secrets).filter(
    (name) => plan.secrets[name]?.from === 'spec' && isMeant(name) && !isKept(name),
  );
  if (names.length === 0) return {};
  const recipient = await farweave.recipient();
  const entries = names.map(async (name) => {
    const value = secrets[name];
    const where = free?.absent[name];
    if (value === undefined && where !== undefined) return [name, absent(where)] as const;
    if (value === undefined) throw new Failure(`No value was given for the secret ${name}.`);
    return [name, await seal(recipient, value)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** The same plan again wants what it wanted before. */
async function triesAgain({ client }: Farweave, { workflowId }: ApplyReply): Promise<boolean> {
  const handle = client.workflow.getHandle(workflowId);
  if (!isStuck(await handle.query(progressQuery))) return false;
  await handle.signal(resumeSignal, { by: whoAmI(), reason: 'apply' });
  return true;
}
