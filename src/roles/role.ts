import * as z from 'zod';
import type { HostSpec, Stage } from '../plan/plan.ts';
import type { BackedUp } from './backup.ts';
import type { DnsRecord, Network } from './network.ts';
import type { Operation } from './operation.ts';
import type { Generated, SecretReference } from './secret.ts';

/** In a role's section: which hosts it is for. Missing: all. */
export const hostNames = z
  .array(z.string())
  .min(1)
  .describe('Names of hosts. Missing: all hosts of the cluster.')
  .optional();

/** A data center. */
export interface Site {
  /** IANA name, such as `Europe/Amsterdam`. */
  readonly timezone?: string;
}

/** What a role may know of the cluster when it lays out its stages. */
export interface Context {
  readonly cluster: string;
  readonly sites: Readonly<Record<string, Site>>;
  /** Every host of the cluster. */
  readonly hosts: readonly HostSpec[];
  /** The hosts that this role is for. */
  readonly on: readonly HostSpec[];
  /** Hosts that this role was for and that leave the cluster; in neither of the two before. Some may be dead. */
  readonly leaving: readonly HostSpec[];
  readonly network: Network;
  /** Names of all roles' containers, for the role that serves them. */
  readonly records: readonly DnsRecord[];
  /** Names that only hosts that leave have. A name that others have too no longer leads to those that leave. */
  readonly leavingRecords: readonly DnsRecord[];
  /** Sections of the other roles, already parsed; absent where a role is not used. */
  section<Config>(role: Pick<Role<Config>, 'name' | 'config'>): Config | undefined;
  /** The same of the cluster that hosts leave. */
  formerSection<Config>(role: Pick<Role<Config>, 'name' | 'config'>): Config | undefined;
  /** The hosts that another role is for. */
  hostsOf(role: Role): readonly HostSpec[];
  /** The hosts that leave and that another role was for. */
  leavingOf(role: Role): readonly HostSpec[];
  /** Whoever takes hosts out accepts that a service loses its quorum by it. */
  readonly forced: boolean;
}

/** A sentence about the spec, and the path of the value it is about, from the role's section on. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What can be rolled out: a section of the spec, and the states of hosts that follow from it, in order. */
export interface Role<Config = unknown> {
  readonly name: string;
  /** Where its section stands in cluster.yaml, if not at `roles.<name>`: one key at the top, such as `['network']`. */
  readonly section?: readonly string[];
  /** Strict: an unknown key is an error. Every field has a description, which is its documentation. */
  readonly config: z.ZodType<Config>;
  /** Rolled out even if its section is missing: then the config is what the schema makes of `{}`. */
  readonly always?: boolean;
  readonly operations: readonly Operation[];
  /** What one section alone cannot say: too many voters, a missing role. */
  validate?(config: Config, context: Context): readonly Problem[];
  /** Names under which its containers are found. */
  records?(config: Config, context: Omit<Context, 'records' | 'leavingRecords'>): readonly DnsRecord[];
  /** Secrets that its stages name (`nodebb.adminPassword`) and where they come from. */
  secrets?(config: Config): Readonly<Record<string, SecretReference | Generated>>;
  /** Of the role that is the network: what the others may ask of it. */
  network?(config: Config): Network;
  stages(config: Config, context: Context): readonly Stage[];
  /**
   * Where hosts leave, once all stages of all roles hold: what they stop doing, and what the others forget of them. Asked of
   * the last role first, so that who is served leaves before who serves. Must hold where a host that leaves is dead.
   */
  leave?(config: Config, context: Context): readonly Stage[];
  /** Where the data of hosts is to be erased as they leave (`context.on`), once all else was taken back there. */
  erase?(config: Config, context: Context): readonly Stage[];
  /** How what it keeps is backed up and laid back. */
  readonly backup?: BackedUp<Config>;
  /** What an operator wants to read at the end, such as addresses. */
  outputs?(config: Config, context: Context): readonly { readonly title: string; readonly value: string }[];
}
