import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Finding, Sealed } from '../activities/contract.ts';
import type { Facts, Knowledge, Plan } from '../plan/plan.ts';

/** Workers poll it and clients start workflows on it. */
export const TASK_QUEUE = 'farweave';

export const clusterId = (name: string) => `cluster:${name}`;
export const rolloutId = (name: string, revision: number) => `rollout:${name}:${revision}`;
/** A look without a change: `plan --check`. */
export const lookId = (name: string, request: string) => `look:${name}:${request}`;

/** Search attributes, registered by the program itself at start-up. */
export const SEARCH_ATTRIBUTES = {
  FarweaveCluster: 'KEYWORD',
  FarweaveSite: 'KEYWORD',
  FarweaveRevision: 'INT',
  FarweaveState: 'KEYWORD',
  FarweaveParked: 'INT',
} as const;

// ---- rollout:<name>:<revision> ----

/** Holds back new steps; what runs finishes. Also wakes a rollout that is paused on a failure: `resume` tries again. */
export const pauseSignal = defineSignal<[Note?]>('pause');
export const resumeSignal = defineSignal<[Note?]>('resume');
/** Ends a rollout that is paused, undoing what it changed. */
export const rollbackSignal = defineSignal<[Note?]>('rollback');
/** To the sites, when one of them has failed: finish what runs, begin nothing. */
export const haltSignal = defineSignal('halt');
export const progressQuery = defineQuery<Progress>('progress');
/** The plan it began with: progress names stages and hosts only by their ids. */
export const planQuery = defineQuery<Plan>('plan');

export interface Note {
  readonly by?: string;
  readonly reason?: string;
}

export interface RolloutInput {
  readonly plan: Plan;
  readonly revision: number;
  readonly sealed: Sealed;
  /** What the last rollout learnt. With it a survey can judge at once what depends on other hosts. */
  readonly facts: Facts;
  /** The cluster workflow to tell of the end; none for a rollout on its own. */
  readonly reportTo?: string;
}

/** In the article's words: `queued`, `provisioning`, `done`; `unchanged` where nothing had to be done. */
export type StepState = 'queued' | 'provisioning' | 'done' | 'unchanged' | 'failed' | 'parked' | 'undone' | 'skipped';

/** stage id → host → state. Steps that are still queued may be left out. */
export type Steps = Readonly<Record<string, Readonly<Record<string, StepState>>>>;

/** `surveying` → `rolling` → (`paused` | `undoing`) → `done` | `failed` | `undone` | `cancelled`. */
export type RolloutState = 'surveying' | 'rolling' | 'paused' | 'undoing' | 'done' | 'failed' | 'undone' | 'cancelled';

export interface Problem {
  readonly host: string;
  /** Missing for what is not about one step, such as an unreachable host. */
  readonly stage?: string;
  readonly type: string;
  /** One line: `mongodb.initiate on vm0: exit code 1: …`. */
  readonly message: string;
  readonly log?: string;
  readonly hint?: string;
}

/** Of a rollout, or of one of its sites. */
export interface Progress {
  readonly state: RolloutState;
  /** What it is at, as a phrase. */
  readonly doing: string;
  readonly steps: Steps;
  readonly changed: number;
  readonly parked: readonly string[];
  readonly problems: readonly Problem[];
  /** Workflow ids of the sites that run now: ask them too, their steps are newer. */
  readonly children: readonly string[];
}

export interface Outcome {
  readonly state: 'done' | 'failed' | 'undone' | 'cancelled';
  readonly changed: number;
  readonly parked: readonly string[];
  readonly problems: readonly Problem[];
  /** What could not be taken back. */
  readonly left: readonly string[];
  readonly facts: Facts;
}

// ---- look:<name>:<request> ----

/** `plan --check`: what is, what should be, what would run. host → stage id → finding. */
export interface LookResult {
  readonly findings: Readonly<Record<string, Readonly<Record<string, Finding>>>>;
  readonly problems: readonly Problem[];
}

export interface LookInput {
  readonly plan: Plan;
  readonly sealed: Sealed;
  readonly facts: Facts;
}

// ---- cluster:<name> ----

export interface ClusterInput {
  readonly name: string;
  /** After continue-as-new. */
  readonly state?: ClusterState;
}

/** Everything a cluster remembers. Bounded. */
export interface ClusterState {
  /** Rises when what plans are made from has changed; a plan made from another version is refused. */
  readonly version: number;
  readonly revision: number;
  readonly knowledge: Knowledge;
  readonly facts: Facts;
  readonly sealed: Sealed;
  readonly rollout?: RunningRollout;
  readonly last?: Omit<Outcome, 'facts'> & { readonly revision: number; readonly digest: string };
  readonly events: readonly ClusterEvent[];
}

export interface RunningRollout {
  readonly revision: number;
  readonly workflowId: string;
  readonly runId: string;
  readonly digest: string;
  readonly purpose: Plan['purpose'];
}

export interface ClusterEvent {
  /** ISO 8601. */
  readonly at: string;
  readonly by?: string;
  readonly what: string;
}

export interface ApplyRequest {
  readonly plan: Plan;
  readonly digest: string;
  /** The version of the knowledge that the plan was made from. */
  readonly basis: number;
  readonly knowledge: Knowledge;
  /** Secrets of the spec, sealed by the client. */
  readonly sealed: Sealed;
  readonly by: string;
}

export interface ApplyReply extends RunningRollout {
  /** The same plan was being rolled out already. */
  readonly attached: boolean;
}

/** Answers when the rollout has begun, not when it ends. */
export const applyUpdate = defineUpdate<ApplyReply, [ApplyRequest]>('apply');
export const statusQuery = defineQuery<ClusterState>('status');
export const rolloutEndedSignal =
  defineSignal<[{ readonly revision: number; readonly outcome: Outcome }]>('rolloutEnded');
