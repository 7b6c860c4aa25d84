import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Sealed } from '../activities/contract.ts';
import type { Packed } from '../plan/pack.ts';
import type { Facts, Knowledge, Plan } from '../plan/plan.ts';
import type { Outcome, RolloutState } from './contract.ts';
import type { ControlReply } from './controls.ts';
import type { Drift } from './drift-contract.ts';
import type { Former, HostRequest, Wanted } from './host-contract.ts';
import type { Moved } from './owner-contract.ts';
import type { ClusterEvent, Destroyed, Note } from './records.ts';

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
  readonly last?: LastRollout;
  /** By name: whom the last apply left out. */
  readonly parked?: Readonly<Record<string, ParkedHost>>;
  /** Applies, the newest last. Of the last few the plan is kept too. */
  readonly revisions?: readonly Revision[];
  /** By digest: what parked hosts are brought along to, and what can be gone back to. */
  readonly plans?: Readonly<Record<string, Packed<ApplyRequest>['plan']>>;
  /** Waits for its turn. */
  readonly queued?: Queued;
  /** What it brought with it. */
  readonly waiting?: Packed<ApplyRequest>;
  /** The cluster.yaml that was applied last. Missing as long as nobody has applied one since it is kept. */
  readonly wanted?: Wanted;
  /** The one before, as long as hosts that are in it and not in the other have not left. */
  readonly former?: Former;
  /** While a rollout runs: what was wanted before, for when nothing comes of it. */
  readonly fallback?: Fallback;
  /** By digest, as `plans`. */
  readonly specs?: Readonly<Record<string, Wanted>>;
  /** Version at which a host has left last: a plan from before may have it still. */
  readonly leftAt?: number;
  /** Changes of hosts that somebody has asked for: those that wait, the one that runs, and the last few that ended. */
  readonly requests?: readonly HostRequest[];
  readonly events: readonly ClusterEvent[];
  /** The id that its hosts know it by. Missing as long as no rollout has begun since there are such ids. */
  readonly owner?: string;
  /** The revision at which its secrets were sealed anew last: copies on hosts that are older need the identity before. */
  readonly resealed?: number;
  /** It was taken away, and nothing was rolled out since. */
  readonly destroyed?: Destroyed;
  /** It was exported, to go on elsewhere: nothing is rolled out from here. */
  readonly moved?: Moved;
  /** What the last look has found, since the last apply. */
  readonly drift?: Drift;
}

/** What of it is shown: no plans, which no client needs. */
export type ClusterView = Omit<ClusterState, 'plans' | 'waiting' | 'specs' | 'fallback'>;

/** The rest only where a host has been given another name. */
type Fallback = Pick<ClusterState, 'wanted' | 'former'> &
  Partial<Pick<ClusterState, 'knowledge' | 'facts' | 'sealed' | 'parked'>>;

export interface LastRollout extends Omit<Outcome, 'facts'> {
  readonly revision: number;
  readonly digest: string;
  readonly followUp?: true;
}

/** Why a host was left out. */
export interface ParkedHost {
  /** Class of the failure: `Unreachable`, `HostKeyChanged`…; `Skipped` where a person left it out. */
  readonly type: string;
  readonly message: string;
  /** ISO 8601: left out for this reason ever since. */
  readonly since: string;
  /** That left it out last. */
  readonly revision: number;
  /** The key that it shows in place of the one that is known: somebody must decide. */
  readonly shownKey?: string;
  /** The key that somebody has accepted since. */
  readonly acceptedKey?: string;
  /** How many follow-ups in a row it has answered for, only to be left out again. */
  readonly again?: number;
  /** ISO 8601: then it may be followed up once more. */
  readonly notBefore?: string;
}

/** An apply, as far as it is remembered. */
export interface Revision {
  readonly revision: number;
  /** ISO 8601: when it began. */
  readonly at: string;
  readonly by: string;
  readonly digest: string;
  /** How many. */
  readonly hosts: number;
  /** Missing while it runs. */
  readonly state?: Outcome['state'];
  /** It brings hosts along that this revision had left out. */
  readonly follows?: number;
  /** It carries out the plan of this revision once more. */
  readonly goesBackTo?: number;
  /** Whether its plan is kept, so that it can be gone back to. */
  readonly kept?: true;
}

/** An apply that waits until the one before it has ended. */
export interface Queued {
  readonly digest: string;
  readonly by: string;
  /** ISO 8601. */
  readonly at: string;
  /** How many. */
  readonly hosts: number;
}

export interface RunningRollout {
  readonly revision: number;
  readonly workflowId: string;
  readonly runId: string;
  readonly digest: string;
  readonly purpose: Plan['purpose'];
  readonly by?: string;
  /** ISO 8601. */
  readonly since?: string;
  /** How many. */
  readonly hosts?: number;
  /** For hosts that were parked: gives way to any other plan. */
  readonly followUp?: true;
  /** The hosts that it was begun for. */
  readonly revisits?: readonly string[];
  /** It carries out the plan of an earlier revision. */
  readonly goesBackTo?: number;
  /** Digest of the plan that is kept of it: that of the cluster once hosts have left. Missing: its own. */
  readonly keeps?: string;
  /** Its plan is a part of that one. */
  readonly part?: true;
  /** The hosts that leave. */
  readonly leaving?: readonly string[];
  /** A host that leaves under another name, since its own is given to the machine that takes its place. */
  readonly renamed?: { readonly from: string; readonly to: string };
  /** It erases the data of the hosts that leave. */
  readonly erases?: true;
  /** It brings back what has drifted: gives way to any apply. */
  readonly repair?: true;
  /** The last it told of. Missing: not yet. */
  readonly state?: RolloutState;
  /** Paused on a failure, and nobody has decided yet: another plan may take its place. */
  readonly stuck?: boolean;
}

export interface ApplyRequest {
  readonly plan: Plan;
  readonly digest: string;
  /** The version of the knowledge that the plan was made from. */
  readonly basis: number;
  readonly knowledge: Knowledge;
  /** Secrets of the spec, sealed by the client. */
  readonly sealed: Sealed;
  /** Names of those that were sealed before: whether these workers can open them is to be seen. */
  readonly given?: readonly string[];
  readonly by: string;
  /** Where another rollout runs: wait for its end instead of being refused. */
  readonly queue?: true;
  /** What the plan was made from. Missing, in requests of an older release: then hosts cannot be changed by a request. */
  readonly wanted?: Wanted;
  /** What hosts leave by this plan. */
  readonly former?: Former;
  /** The cluster once they have left: what is kept, to go back to and to follow up. */
  readonly after?: Pick<Packed<{ readonly plan: Plan }>, 'plan'> & {
    readonly digest: string;
    /** The plan itself is no more than a part of it: hosts that were parked before have not been brought along by that. */
    readonly part?: true;
  };
}

export interface ApplyReply extends RunningRollout {
  /** The same plan was being rolled out already. */
  readonly attached: boolean;
  /** It waits for its turn; the rest is about the rollout that it waits for. */
  readonly queued?: true;
}

/** What was done, with the rollout that was begun for it, if any. */
export interface ClusterReply extends ControlReply {
  readonly rollout?: RunningRollout;
}

/** What people may ask of a cluster, besides applies. */
export interface ClusterControls {
  /** Tries parked hosts again now: those that are named, or all but those that somebody had skipped. */
  followUp: Note & { readonly hosts?: readonly string[] };
  /** Holds a host to the key that it shows from now on. */
  acceptHostKey: Note & { readonly host: string; readonly fingerprint: string };
  /** Carries out the plan of an earlier revision: of the last one that differs, unless told. */
  rollbackTo: Note & { readonly revision?: number };
  /** Takes the apply back that waits for its turn. */
  withdraw: Note;
  /** Carries out the last plan once more, where drift was found. Unless `approved` it changes nothing before somebody agrees. */
  repair: Note & { readonly approved?: boolean };
}

export const clusterUpdate = <Name extends keyof ClusterControls>(name: Name) =>
  defineUpdate<ClusterReply, [ClusterControls[Name]], Name>(name);
export const followUpSignal = defineSignal<[ClusterControls['followUp']]>('followUp');

/** Answers when the rollout has begun, not when it ends. */
export const applyUpdate = defineUpdate<ApplyReply, [Packed<ApplyRequest>]>('apply');
export const statusQuery = defineQuery<ClusterView>('status');
