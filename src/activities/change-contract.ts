import type { Packed } from '../plan/pack.ts';
import type { HostSpec, Knowledge, Plan } from '../plan/plan.ts';
import type { HostChange } from '../spec/change.ts';
import type { Kept } from '../spec/kept.ts';

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
