import { HOST_KEY, HOST_KEY_OTHER } from '../roles/host-key.ts';
import type { Generated } from '../roles/secret.ts';
import type { Bastions, HostSpec } from './host.ts';

export type { BastionSpec, Bastions, HostSpec, Limits } from './host.ts';

/** Everything that crosses the Temporal boundary is plain JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** fact → host → value. Small and public (at most 256 bytes each): what hosts must know of each other. */
export type Facts = Readonly<Record<string, Readonly<Record<string, string>>>>;

export { HOST_KEY, HOST_KEY_OTHER };

/** The same of bastions, by their names. */
export const BASTION_KEY = 'bastion.key';

/** The secret that every cluster has: it keys the digests in labels. Made by a worker, whether or not a plan names it. */
export const DIGEST_KEY = 'cluster.digestKey';

export type Order = 'all' | { readonly rolling: number } | { readonly by: string; readonly first: readonly string[] };

/** How far a stage reaches before the next may begin. A host-scoped stage has no barrier, hence no order either. */
export type Extent =
  | { readonly scope: 'host' }
  | { readonly scope: 'site' | 'cluster'; readonly on: 'each' | 'one'; readonly order: Order; readonly gate?: Gate };

/** What must hold on the hosts just done before the next ones go. */
export interface Gate {
  readonly operation: string;
  readonly args: Json;
  readonly secrets: readonly string[];
  /** Milliseconds. Missing, in older plans: as long as the stage. */
  readonly timeout?: number;
}

/**
 * - `preflight`: asked by the survey only; where it says no, nothing is changed anywhere.
 * - `change`: brought about where it is not so.
 * - `check`: cannot be brought about; waited for, up to its timeout.
 */
type Kind = 'preflight' | 'change' | 'check';

/** What the interpreter must know of an operation. It stands in the plan, since workflows know no role. */
interface Traits {
  readonly operation: string;
  readonly kind: Kind;
  /** Milliseconds for the whole step. */
  readonly timeout: number;
  /** Seconds at most, so that it may share an activity with its neighbours. */
  readonly brief: boolean;
  /** Facts of other hosts that it takes. */
  readonly needs: readonly string[];
  /** Why it cannot be taken back, if so. */
  readonly irreversible?: string;
  /** What serves on the host may be away while it is brought about. */
  readonly disrupts?: true;
  /** What the role serves on the host is away once it is brought about, until a later stage starts it. */
  readonly halts?: true;
}

/** One operation over a set of hosts with shared arguments. */
export type Stage = Traits &
  Extent & {
    /** Unique in the plan: `03-docker.install`. */
    readonly id: string;
    /** A verb phrase: `install Docker`. With the host before it, at most 60 characters. */
    readonly title: string;
    readonly hosts: readonly string[];
    readonly args: Json;
    /** Names of the secrets that its commands use. */
    readonly secrets: readonly string[];
    /** Skipped where the rollout has changed nothing: proof that costs more than a look. */
    readonly afterChange?: true;
    /** Of a check: how many of its hosts may be without it at once. Disruptive work elsewhere goes in waves that keep to it. */
    readonly spare?: number;
    /** What those hosts are asked before one is disturbed, and after; the check itself, if missing. */
    readonly guard?: Gate;
    /** Consecutive stages with one lane number may share an activity. */
    readonly lane: number;
  };

/** Stages that the sites can run without hearing of each other, or one that spans the cluster. */
export interface Segment {
  readonly scope: 'site' | 'cluster';
  /** Ids of stages. */
  readonly stages: readonly string[];
}

/** Where a secret comes from. `spec`: sealed by the client; `generated`: made by a worker once in a cluster's life. */
export type SecretSource =
  | { readonly from: 'spec' }
  | { readonly from: 'worker'; readonly entry: string }
  | ({ readonly from: 'generated' } & Generated['generate']);

/** What happens after a step has failed for good. */
export type OnFailure = 'pause' | 'rollback' | 'continue';

/** When work may begin at a site, by its own clock. What has begun is brought to its end. */
export interface Window {
  /** IANA time zone. */
  readonly timezone: string;
  /** Days on which it opens, 0 is Sunday; all of them without. */
  readonly days?: readonly number[];
  /** `22:00` to `04:00`: past midnight it belongs to the day on which it opened. */
  readonly from: string;
  readonly to: string;
}

/** How a rollout goes about its hosts. What is missing: all at once, at any time, without asking. */
export interface Policy {
  /** Hosts in the waves in which host-scoped work goes; every host of the plan stands in one. */
  readonly waves?: readonly (readonly string[])[];
  /** The first wave is a canary. */
  readonly canary?: true;
  /** Milliseconds between a wave in which something changed and the next one. */
  readonly soak?: number;
  /** Somebody must agree: before anything is changed (`start`), or after the first wave (`rest`). `expires` in milliseconds. */
  readonly approval?: { readonly before: 'start' | 'rest'; readonly expires: number };
  /** By site; one without is open always. */
  readonly windows?: Readonly<Record<string, Window>>;
}

/** A rollout as data: the same cluster and knowledge give the same plan, and a digest that holds for exactly it. */
export interface Plan {
  readonly version: 1;
  readonly cluster: string;
  /** `apply` rolls out; `verify` only checks; `destroy` leaves the hosts as they were found; the others take a backup, or lay one back. */
  readonly purpose: 'apply' | 'verify' | 'destroy' | 'backup' | 'restore';
  readonly hosts: readonly HostSpec[];
  /** Those on the way to the hosts. Missing where there are none: such a plan is the same as ever. */
  readonly bastions?: Bastions;
  readonly stages: readonly Stage[];
  readonly segments: readonly Segment[];
  readonly secrets: Readonly<Record<string, SecretSource>>;
  /** How many hosts may be parked before the rollout counts as failed. */
  readonly budget: number;
  readonly onFailure: OnFailure;
  readonly policy?: Policy;
  /** Failure class → how long to wait before each further attempt, in milliseconds. */
  readonly patience: Readonly<Record<string, readonly number[]>>;
  /** Where the result can be seen, for the last lines of an apply. */
  readonly outputs: readonly { readonly title: string; readonly value: string }[];
}

/**
 * `docker.install.withdraw`: takes `docker.install` on a host back to what it was before the first rollout, by what is
 * recorded there. To a workflow it is an operation like any other.
 */
const WITHDRAW = '.withdraw';
export const withdrawalOf = (operation: string) => `${operation}${WITHDRAW}`;
/** The operation that is taken back, if this is a withdrawal. */
export const withdrawn = (name: string) => (name.endsWith(WITHDRAW) ? name.slice(0, -WITHDRAW.length) : undefined);
/** Takes back what no other stage of the plan does, such as that of a role which the spec has no longer. Arguments: `but`. */
export const OTHERS = 'host.others';
/** The host is nobody's any more. Arguments: `data`. */
export const RELEASED = 'host.released';

/** Whether a plan erases the data of the hosts that leave. */
export const isErasing = ({
  stages,
}: {
  readonly stages: readonly { readonly operation: string; readonly args: Json }[];
}) =>
  stages.some(({ operation, args }) => operation === RELEASED && (args as { readonly data?: boolean }).data === true);

/** What is known of a cluster before a plan is made. */
export interface Knowledge {
  /** Host → index, kept for ever. */
  readonly indexes: Readonly<Record<string, number>>;
  /** How many keys were made for it so far, where that is more than one. */
  readonly key?: number;
}

/** Arguments by their names. */
export function namedArguments(args: Json): readonly (readonly [name: string, value: Json])[] {
  return typeof args === 'object' && args !== null && !Array.isArray(args) ? Object.entries(args) : [];
}

/** `docker` of `docker.install`, and of the facts that are named after it. */
export const roleOf = (name: string) => name.slice(0, name.indexOf('.'));

/** So many at a time, in their order. */
export function groups<T>(size: number, all: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, n) => all.slice(n * size, (n + 1) * size));
}

/** Hosts in the waves in which they go. */
export function waves(order: Order, hosts: readonly string[], facts: Facts): readonly (readonly string[])[] {
  if (order === 'all') return [hosts];
  if ('rolling' in order) {
    return groups(order.rolling, hosts);
  }
  const isFirst = (host: string) => order.first.includes(facts[order.by]?.[host] ?? '');
  return [...hosts.filter(isFirst), ...hosts.filter((host) => !isFirst(host))].map((host) => [host]);
}
