import type { Packed } from '../plan/pack.ts';
import type { HostSpec, Json, Knowledge, Plan, Window } from '../plan/plan.ts';
import type { Opening } from '../plan/window.ts';
import type { Generated } from '../roles/secret.ts';
import type { HostChange } from '../spec/change.ts';
import type { Kept } from '../spec/kept.ts';

/**
 * Secret name → ciphertext for the workers' age recipient (base64), `worker:ENTRY` for an entry of the worker's own allowlist,
 * or `absent:WHERE` for what was not given, since no host needed it, and where it would come from.
 */
export type Sealed = Readonly<Record<string, string>>;

/** Makes the secrets that are missing, sealed at once. Fails with InvalidArguments where it cannot open what it is to `open`. */
export type GenerateSecrets = (wanted: {
  readonly open?: Sealed;
  readonly secrets: Readonly<Record<string, Generated['generate']>>;
}) => Promise<Sealed>;

/** Seals anew what is not sealed for the identity that the worker has now. Entries of workers' allowlists stay out; `lost` cannot be opened. */
export type Reseal = (asked: { readonly sealed: Sealed }) => Promise<{
  readonly recipient: string;
  readonly sealed: Sealed;
  readonly lost: readonly string[];
}>;

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

/** Says that a worker is there. */
export type Present = () => Promise<void>;

/** Which sites may be worked on now, and for how long that stays so. */
export type AskWindows = (asked: {
  readonly windows: Readonly<Record<string, Window>>;
}) => Promise<Readonly<Record<string, Opening>>>;

/** Asks another workflow by a query, which leaves nothing in its history. Gives what it answers; fails where there is none. */
export type AskWorkflow = (asked: {
  readonly workflowId: string;
  readonly query: string;
  readonly args: readonly Json[];
}) => Promise<unknown>;
