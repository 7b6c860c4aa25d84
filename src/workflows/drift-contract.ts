import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { Sealed } from '../activities/contract.ts';
import type { Packed } from '../plan/pack.ts';
import type { Facts, Plan } from '../plan/plan.ts';
import type { ParkedHost } from './cluster-contract.ts';

// ---- drift:<name>:<request> ----

export interface DriftInput {
  readonly cluster: string;
  /** Who asks. Missing: the schedule. */
  readonly by?: string;
}

/**
 * - `operator`: a repair makes it right again; somebody has to want it.
 * - `person`: somebody has to look, or to decide.
 * - `nobody`: it comes by itself, or with what else is repaired.
 */
export type Actor = 'operator' | 'person' | 'nobody';

/** Something that is not as it was rolled out. */
export interface Difference {
  readonly host: string;
  /** Missing for what is about the host as a whole, such as one that does not answer. */
  readonly operation?: string;
  readonly now: string;
  readonly wanted: string;
  readonly act: Actor;
  /** What to do, as a phrase. */
  readonly todo: string;
  /** Whether `farweave drift --repair` makes it right. */
  readonly repairable: boolean;
}

/** What a look for drift has found. */
export interface DriftResult {
  readonly cluster: string;
  /** Why nobody was asked, or the answers count for nothing. Then there are no differences. */
  readonly skipped?: string;
  /** The apply by whose plan it was measured. */
  readonly revision?: number;
  readonly digest?: string;
  /** How many hosts were asked. */
  readonly asked: number;
  readonly differences: readonly Difference[];
  /** How many more there are. */
  readonly more?: number;
  /** There is nothing that anybody has to act on. */
  readonly clean: boolean;
}

/** What the cluster remembers of the last look. Bounded. */
export interface Drift {
  /** ISO 8601. */
  readonly at: string;
  /** The apply by whose plan it was measured. */
  readonly revision: number;
  readonly clean: boolean;
  /** How many differences somebody has to act on, and how many of them a repair makes right. */
  readonly differences: number;
  readonly repairable: number;
  /** Those by host, a few lines each: `docker.configure: another configuration`. */
  readonly hosts: Readonly<Record<string, readonly string[]>>;
  /** How many more hosts there are. */
  readonly more?: number;
}

/** Of a drift that was found: when, and which rollout was the last to begin. One that was begun since makes it void. */
export interface DriftReport {
  readonly drift: Drift;
  readonly since: number;
  readonly by: string;
}

/** What a look for drift is measured by; or why there is none. */
export type Measure =
  | { readonly skipped: string }
  | {
      /** The last rollout that has begun. */
      readonly since: number;
      readonly revision: number;
      readonly digest: string;
      readonly hosts: readonly string[];
      readonly parked: Readonly<Record<string, ParkedHost>>;
    };

/** What hosts are asked by, with what is needed to ask them. */
export interface Ground {
  readonly plan: Plan;
  readonly sealed: Sealed;
  readonly facts: Facts;
  readonly parked: readonly string[];
  readonly owner?: string;
}

/** To the cluster workflow. As queries, which leave nothing in its history. */
export const measureQuery = defineQuery<Measure>('driftMeasure');
/** By the digest of the plan; nothing, if it is no longer the one to measure by. */
export const groundQuery = defineQuery<Packed<Ground> | null, [string]>('driftGround');
export const driftSignal = defineSignal<[DriftReport]>('drift');
