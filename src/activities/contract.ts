import type { Packed } from '../plan/pack.ts';
import type { Facts, HostSpec, Json, Knowledge, Plan, Window } from '../plan/plan.ts';
import type { Opening } from '../plan/window.ts';
import type { Generated } from '../roles/secret.ts';
import type { HostChange } from '../spec/change.ts';
import type { Kept } from '../spec/kept.ts';
import type { Copy } from '../ssh/marker.ts';

/**
 * Secret name → ciphertext for the workers' age recipient (base64), `worker:ENTRY` for an entry of the worker's own allowlist,
 * or `absent:WHERE` for what was not given, since no host needed it, and where it would come from.
 */
export type Sealed = Readonly<Record<string, string>>;

/** One operation to bring about on one host. */
export interface Step {
  /** Names the receipt and the remote job: `<first execution run id>/<stage id>`. */
  readonly receipt: string;
  readonly operation: string;
  readonly args: Json;
  /** Raised by the workflow, only after an attempt ended for good and the state still does not hold. */
  readonly generation: number;
  /** Milliseconds for this step. */
  readonly timeout: number;
}

/** Who rolls out: what the marker on each host is compared with, and says of hosts that are claimed. */
export interface Owner {
  /** Made once in a cluster's life. */
  readonly id: string;
  readonly cluster: string;
  /** `user@host` of who began this rollout. */
  readonly by: string;
  /** When, ISO 8601. */
  readonly since: string;
}

/** Every host activity takes this one object. */
export interface Task {
  readonly cluster: string;
  /** Rises with every rollout of the cluster: fences off attempts of older ones. */
  readonly revision: number;
  /** Rises from rollout to rollout and from step to step of a host: what a late attempt of an older one would do is refused. */
  readonly fence: number;
  readonly host: HostSpec;
  readonly steps: readonly Step[];
  /** The facts that the steps need, and the host's key. */
  readonly facts: Facts;
  /** What the steps and the access to the host need. */
  readonly sealed: Sealed;
  /** Missing, in older rollouts and in what only looks: then nobody asks whose the host is. */
  readonly owner?: Owner;
}

/** What became of one step. `changed` also when an earlier attempt of this rollout made the change. */
export interface Result {
  readonly changed: boolean;
  readonly facts?: Readonly<Record<string, string>>;
  /** What it could not take back on the host, a phrase each. */
  readonly left?: readonly string[];
}

/** What a survey says of one step. `commands` (secrets as `$name`) only when asked for. */
export interface Finding {
  readonly is: 'yes' | 'no' | 'unknown';
  readonly now?: string;
  readonly wanted?: string;
  readonly why?: string;
  readonly commands?: string;
  /** It is so because time has passed: nobody's doing. */
  readonly fades?: true;
  readonly facts?: Readonly<Record<string, string>>;
}

/** What a look at a host found: a finding a step, in their order. */
export interface SurveyResult {
  readonly hostKey: string;
  readonly findings: readonly Finding[];
}

/** Brings steps about, takes them back (`….undo`), or waits until they hold (`host.gate`). */
export type Activity = (task: Task) => Promise<readonly Result[]>;
/**
 * Keeps the receipts of the rollout as origins, since nobody is going to undo its steps, and drops what its jobs have left.
 * `over`: a fence above all of the rollout's, and not above those of later ones. Without it the jobs stay until they are old.
 */
export type Settle = (
  task: Omit<Task, 'steps' | 'facts'> & {
    readonly facts: Facts;
    readonly rollout: string;
    readonly over?: number;
    /** Of the cluster, to be left on the host. */
    readonly copy?: Copy;
    /** All was taken back: a host that this rollout has claimed is nobody's again. */
    readonly release?: boolean;
  },
) => Promise<void>;
/** Whose the host is, and of which revision a copy of the cluster lies there. */
export interface Recalled {
  readonly owner?: Owner;
  readonly revision?: number;
  /** The copy itself, gzipped, in base64. Only where it is asked for. */
  readonly copy?: string;
}

/** Reads what rollouts have left of their cluster on a host. */
export type Recall = (task: Task & { readonly copy?: boolean }) => Promise<Recalled>;
export type Survey = (task: Task & { readonly explain?: boolean }) => Promise<SurveyResult>;

/** Makes the secrets that are missing, sealed at once. */
export type GenerateSecrets = (wanted: {
  readonly secrets: Readonly<Record<string, Generated['generate']>>;
}) => Promise<Sealed>;

/** What a cluster is to be after a change of its hosts. */
export interface Replanned extends Planned {
  readonly wanted: Kept;
  /** What was wanted before, where hosts leave. */
  readonly former?: Kept;
  /** A host that leaves under another name, since its own is taken by another machine. */
  readonly renamed?: { readonly from: string; readonly to: string };
  readonly knowledge: Knowledge;
  /** How the cluster is once all have left. */
  readonly after?: Planned;
}

interface Planned {
  readonly plan: Packed<{ readonly plan: Plan }>['plan'];
  readonly digest: string;
}

export interface Changing {
  readonly wanted: Kept;
  /** What hosts are still leaving. */
  readonly former?: Kept;
  /** One after another. */
  readonly changes: readonly HostChange[];
  readonly knowledge: Knowledge;
  readonly forced?: boolean;
  /** Data of hosts that leave is erased. */
  readonly data?: boolean;
}

/** Makes the plan for a cluster whose hosts change. Touches no host. Fails with InvalidArguments, which says all that is wrong. */
export type PlanChange = (asked: Changing) => Promise<Replanned>;

/** The same as a question: gives the hosts that the last of the changes brings. */
export type CheckChange = (asked: Changing) => Promise<readonly HostSpec[]>;

/** The key that a machine shows to whoever connects. Nothing is sent to it. */
export type Greet = (asked: { readonly host: HostSpec }) => Promise<string>;

/** Which sites may be worked on now, and for how long that stays so. */
export type AskWindows = (asked: {
  readonly windows: Readonly<Record<string, Window>>;
}) => Promise<Readonly<Record<string, Opening>>>;

/** Tries once to log in to each of the hosts. Gives the names of those that answer; fails, to be tried again, while none does. */
export type AwaitHosts = (asked: {
  readonly hosts: readonly HostSpec[];
  /** The hosts' keys. */
  readonly facts: Facts;
  /** What the access to the hosts needs. */
  readonly sealed: Sealed;
}) => Promise<readonly string[]>;

/** Asks another workflow by a query, which leaves nothing in its history. Gives what it answers; fails where there is none. */
export type AskWorkflow = (asked: {
  readonly workflowId: string;
  readonly query: string;
  readonly args: readonly Json[];
}) => Promise<unknown>;

/** What the reader of a failure can do about it. */
export type FailureType =
  | 'Unreachable'
  | 'AuthenticationFailed'
  | 'HostKeyChanged'
  | 'PackageManagerLocked'
  | 'CommandFailed'
  | 'NotConverged'
  | 'NoSpace'
  | 'StateUnknown'
  | 'GateClosed'
  | 'UnknownOperation'
  | 'InvalidArguments'
  | 'Superseded'
  | 'Owned'
  | 'Unexpected';

/** First detail of every classified failure. */
export interface FailureDetail {
  /** Results of the steps before the one that failed. */
  readonly results: readonly Result[];
  /** The last 40 lines of the remote log, control characters escaped. */
  readonly log?: string;
  /** What to do about it. */
  readonly hint?: string;
  /** The key that the host showed in place of the one that is known of it. */
  readonly shownKey?: string;
  /** What was learnt of the host by it. */
  readonly facts?: Readonly<Record<string, string>>;
  /** What ran on the host has ended for good: another attempt needs a raised generation, or it would be shown this end again. */
  readonly ended?: true;
}
