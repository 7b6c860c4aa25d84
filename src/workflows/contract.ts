import { ApplicationFailure, CancelledFailure, defineQuery, defineSignal } from '@temporalio/workflow';
import type { Finding, Lender, Owner, Sealed } from '../activities/contract.ts';
import type { Bastions, Facts, HostSpec, OnFailure, Plan, Policy, Stage, Window } from '../plan/plan.ts';

import { rolloutId } from './names.ts';
import type { ClusterCopy } from './owner-contract.ts';
import type { Problem } from './records.ts';

export { SKIPPED } from './attendance.ts';
export * from './cluster-contract.ts';
export * from './controls.ts';
export * from './drift-contract.ts';
export * from './host-contract.ts';
export {
  clusterId,
  driftId,
  lookId,
  presenceQueue,
  recallId,
  rolloutId,
  SEARCH_ATTRIBUTES,
  siteQueue,
  TASK_QUEUE,
} from './names.ts';
export * from './news.ts';
export * from './owner-contract.ts';
export type { ClusterEvent, Note, Problem, Refusal } from './records.ts';

// ---- rollout:<name>:<revision> ----

/** To the sites, when one of them has failed: finish what runs, begin nothing. */
export const haltSignal = defineSignal('halt');
/** To the sites: somebody leaves a host out. */
export const leaveOutSignal = defineSignal<[{ readonly host: string }]>('leaveOut');
/** Asks a rollout to tell the cluster workflow its state anew. To one that is gone it cannot be sent, which is an answer too. */
export const reportSignal = defineSignal('report');
export const progressQuery = defineQuery<Progress>('progress');
/** The plan it began with: progress names stages and hosts only by their ids. */
export const planQuery = defineQuery<Plan>('plan');

export interface RolloutInput {
  readonly plan: Plan;
  readonly revision: number;
  readonly sealed: Sealed;
  /** What the last rollout learnt. With it a survey can judge at once what depends on other hosts. */
  readonly facts: Facts;
  /** The cluster workflow to tell of the end; none for a rollout on its own. */
  readonly reportTo?: string;
  /** The cluster workflow takes notes of what people do to the rollout. Missing: it is of a time before that. */
  readonly notes?: true;
  /** Somebody must agree, whatever the plan says. */
  readonly approval?: NonNullable<Policy['approval']>;
  /** Whose the hosts become. Missing in older rollouts and in verifications: then nobody asks. */
  readonly owner?: Owner;
  /** What a copy of the cluster holds besides what the rollout knows; secrets that it does not need. */
  readonly keep?: Pick<ClusterCopy, 'version' | 'knowledge' | 'sealed' | 'wanted' | 'former'>;
}

/** In the article's words: `queued`, `provisioning`, `done`; `unchanged` where nothing had to be done. */
export type StepState = 'queued' | 'provisioning' | 'done' | 'unchanged' | 'failed' | 'parked' | 'undone' | 'skipped';

/** stage id → host → state. Steps that are still queued may be left out. */
export type Steps = Readonly<Record<string, Readonly<Record<string, StepState>>>>;

/** `surveying` → `rolling` → (`paused` | `undoing`) → `done` | `failed` | `undone` | `cancelled`. */
export type RolloutState = 'surveying' | 'rolling' | 'paused' | 'undoing' | 'done' | 'failed' | 'undone' | 'cancelled';

/** Of a rollout, or of one of its sites. */
export interface Progress {
  readonly state: RolloutState;
  /** What it is at, as a phrase. */
  readonly doing: string;
  /** Paused on a failure, until somebody decides. */
  readonly stuck?: boolean;
  /** What holds it back, and until when (ISO 8601) by itself. */
  readonly waits?: { readonly for: 'approval' | 'window' | 'soak' | 'decision' | 'resume'; readonly until?: string };
  /** The wave that is under way, where there are several. */
  readonly wave?: { readonly number: number; readonly of: number; readonly hosts: readonly string[] };
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
  /** Hosts that have left without an answer: what was brought there is there still. */
  readonly abandoned?: readonly string[];
  /** It was ended from outside: nobody knows what it has changed. */
  readonly unknown?: true;
  readonly facts: Facts;
}

/** The outcome of a rollout that did not end well, from what its result was rejected with. None if it has vanished. */
export function outcomeOf(error: unknown): Outcome | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof CancelledFailure) return NOTHING_MORE;
    if (cause instanceof ApplicationFailure && cause.type === ROLLOUT_FAILED) return cause.details?.[0] as Outcome;
  }
  return undefined;
}

/** Type of the failure of a rollout. Its first detail is the outcome. */
export const ROLLOUT_FAILED = 'RolloutFailed';

/** Temporal keeps no details of a cancellation: the cluster's status has the rest. */
const NOTHING_MORE: Outcome = { state: 'cancelled', changed: 0, parked: [], problems: [], left: [], facts: {} };

// ---- rollout:<name>:<revision>:<segment>:<site> ----

/** `segment` is a number, with that of the wave behind it where there are several: `2.1`. */
export const siteId = (name: string, revision: number, segment: number | string, site: string) =>
  `${rolloutId(name, revision)}:${segment}:${site}`;

/** Stage id → names of hosts. */
export type Places = Readonly<Record<string, readonly string[]>>;

/** What a rollout, or one of its sites, has come to. */
export interface Ledger {
  readonly facts: Facts;
  /** Of which the survey said yes. Holds until something on that host changes. */
  readonly settled: Places;
  /** What may have been changed: the undo list. The receipts on the hosts decide. */
  readonly touched: Places;
  readonly parked: readonly string[];
  readonly steps: Steps;
  /** Stage id → host → how often what ran there has ended for good without success. */
  readonly generations: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly problems: readonly Problem[];
  /** Why nothing new begins. */
  readonly stopped?: string;
  /** What could not be taken back on hosts that leave, a line each. */
  readonly left?: readonly string[];
}

/** Some stages on some hosts of a rollout: what one site does of one segment, or the rollout itself of what spans the cluster. */
export interface SiteInput {
  readonly cluster: string;
  readonly revision: number;
  readonly site: string;
  /** The first execution's run id: no two rollouts share receipts, whatever their names. */
  readonly rollout: string;
  /** The rollout's own part of the fences of its steps. */
  readonly fence: number;
  readonly hosts: readonly HostSpec[];
  /** On the way to the hosts. */
  readonly bastions?: Bastions;
  /** With their places in the plan. */
  readonly stages: readonly PlacedStage[];
  readonly sealed: Sealed;
  readonly owner?: Owner;
  readonly patience: Plan['patience'];
  readonly onFailure: OnFailure;
  readonly purpose: Plan['purpose'];
  readonly ledger: Ledger;
  /** Hosts on which something has changed since the survey. */
  readonly dirty: readonly string[];
  /** Whether something has changed anywhere: then the costly checks are due. */
  readonly changed: boolean;
  readonly paused: boolean;
  /** When work may begin, by site; one without is open always. */
  readonly windows?: Readonly<Record<string, Window>>;
  /** Hosts elsewhere that are parked: a check of all together must hold without them. */
  readonly absent?: readonly string[];
  /** Where the large tables are of which the ledger has only what these hosts have published, and their keys by fact. */
  readonly lends?: { readonly from: Lender; readonly facts: Readonly<Record<string, string>> };
}

/** `lent`: keys of arguments that are null in `args`, since they are too large to be told to every step. */
export type PlacedStage = Stage & { readonly place: number; readonly lent?: Readonly<Record<string, string>> };

/** What became of a stage that was taken back on the hosts of a site. */
export interface Undone extends Pick<Ledger, 'steps' | 'generations'> {
  /** What could not be taken back, a line each. */
  readonly left: readonly string[];
  /** Hosts that do not answer. */
  readonly gone: readonly string[];
  /** What was learnt by it of the hosts. */
  readonly facts?: Facts;
}

// ---- look:<name>:<request> ----

/** `plan --check`: what is, what should be, what would run. host → stage id → finding. */
export interface LookResult {
  readonly findings: Readonly<Record<string, Readonly<Record<string, Finding>>>>;
  readonly problems: readonly Problem[];
}

export interface LookInput {
  readonly plan: Plan;
  /** Which hosts to ask; all of the plan without. A result holds what would run, so a few at a time. */
  readonly hosts?: readonly string[];
  readonly sealed: Sealed;
  readonly facts: Facts;
  /** Who asks: hosts of somebody else are named, and not looked at. */
  readonly owner?: Owner;
}
