import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Sealed } from '../activities/contract.ts';
import type { Packed } from '../plan/pack.ts';
import type { Facts, Knowledge, Plan } from '../plan/plan.ts';
import type { Outcome, RolloutState } from './contract.ts';
import type { Moved } from './owner-contract.ts';
import type { ClusterEvent } from './records.ts';

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
  /** The id that its hosts know it by. Missing as long as no rollout has begun since there are such ids. */
  readonly owner?: string;
  /** It was exported, to go on elsewhere: nothing is rolled out from here. */
  readonly moved?: Moved;
}

export interface RunningRollout {
  readonly revision: number;
  readonly workflowId: string;
  readonly runId: string;
  readonly digest: string;
  readonly purpose: Plan['purpose'];
  /** The last it told of. Missing: not yet. */
  readonly state?: RolloutState;
  /** Paused on a failure, and nobody has decided yet: another plan may take its place. */
  readonly stuck?: boolean;
}

/** Why an apply is refused: make the plan anew, or wait for (or end) the rollout that runs. */
export type Refusal = 'PlanOutdated' | 'RolloutRunning' | 'InvalidRequest' | 'Moved' | 'ClusterKnown';

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
export const applyUpdate = defineUpdate<ApplyReply, [Packed<ApplyRequest>]>('apply');
export const statusQuery = defineQuery<ClusterState>('status');
/** From a rollout that has come to another state. */
export const rolloutChangedSignal =
  defineSignal<[{ readonly revision: number; readonly state: RolloutState; readonly stuck: boolean }]>(
    'rolloutChanged',
  );
export const rolloutEndedSignal =
  defineSignal<[{ readonly revision: number; readonly outcome: Outcome }]>('rolloutEnded');
