import type { Bastions, Facts, HostSpec, Json } from '../plan/plan.ts';
import type { Copy } from '../ssh/marker.ts';
import type { Sealed } from './cluster-contract.ts';
import type { Refused } from './failure-contract.ts';

export type * from './cluster-contract.ts';
export type { FailureDetail, FailureType, Refused } from './failure-contract.ts';

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
  /** Keys of arguments that are null here, and are asked for. */
  readonly lent?: Readonly<Record<string, string>>;
}

/** A workflow that is asked for what is too large to stand in every history. */
export interface Lender {
  readonly workflowId: string;
  readonly runId: string;
  /** Name of the query, whose one argument is a key. */
  readonly query: string;
}

export interface Borrowed {
  readonly from: Lender;
  /** Fact → key of its table. What stands in the task's own facts is newer. */
  readonly facts: Readonly<Record<string, string>>;
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
  /** On the way to the host. */
  readonly bastions?: Bastions;
  readonly steps: readonly Step[];
  /** The facts that the steps need, those of the way in to the host, and the keys of its bastions. */
  readonly facts: Facts;
  /** What the steps and the access to the host need. */
  readonly sealed: Sealed;
  /** Missing, in older rollouts and in what only looks: then nobody asks whose the host is. */
  readonly owner?: Owner;
  /** Facts and arguments that are to be asked for first. */
  readonly borrows?: Borrowed;
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
  /** name → the key of bastions on the way of which none was known. */
  readonly bastionKeys?: Readonly<Record<string, string>>;
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
/** Several hosts of a site with the same steps. */
type Together<Of extends { readonly host: HostSpec }> = Omit<Of, 'host'> & { readonly hosts: readonly HostSpec[] };
/** Gives the failure of a host in place of what was found there. */
export type SurveyTogether = (
  task: Together<Task>,
) => Promise<readonly (SurveyResult | { readonly failed: Refused })[]>;
export type SettleTogether = (task: Together<Parameters<Settle>[0]>) => Promise<void>;

export type Survey = (task: Task & { readonly explain?: boolean }) => Promise<SurveyResult>;

/** The key that a machine shows to whoever connects. Nothing is sent to it; to bastions on the way their login is. */
export type Greet = (asked: {
  readonly host: HostSpec;
  /** On the way to the host, with what is known of their keys and the access to them. */
  readonly bastions?: Bastions;
  readonly facts?: Facts;
  readonly sealed?: Sealed;
}) => Promise<string>;

/** Tries once to log in to each of the hosts. Gives the names of those that answer; fails, to be tried again, while none does. */
export type AwaitHosts = (asked: {
  readonly hosts: readonly HostSpec[];
  /** On the way to the hosts. */
  readonly bastions?: Bastions;
  /** Those of the ways in to the hosts, and the keys of bastions. */
  readonly facts: Facts;
  /** What the access to the hosts needs. */
  readonly sealed: Sealed;
}) => Promise<readonly string[]>;
