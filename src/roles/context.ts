import * as z from 'zod';
import type { HostSpec } from '../plan/plan.ts';
import type { Network } from './network.ts';
import { type Context, hostNames, type Role, type Site } from './role.ts';

/** What the roles' contexts are made from. */
export interface Layout {
  readonly cluster: string;
  readonly sites: Readonly<Record<string, Site>>;
  readonly hosts: readonly HostSpec[];
  readonly network: Network;
  /** Parsed sections by the role's name; none where a role is not used. */
  readonly sections: Readonly<Record<string, unknown>>;
  /** Hosts that are not among the others any more, with the sections of the cluster that they were in. */
  readonly leaving?: Leaving;
}

export interface Leaving {
  readonly hosts: readonly HostSpec[];
  readonly sections: Layout['sections'];
  /** Even where a service loses its quorum by it. */
  readonly forced?: boolean;
}

const Placed = z.object({ hosts: hostNames });

/** Gives each role its view of a cluster, the names of all roles' containers included. */
export function contexts(layout: Layout, roles: readonly Role[]): (role: Role) => Context {
  const { leaving = NOBODY } = layout;
  const view = (role: Role): Omit<Context, 'records' | 'leavingRecords'> => ({
    cluster: layout.cluster,
    sites: layout.sites,
    hosts: layout.hosts,
    network: layout.network,
    on: hostsOf(layout, role),
    hostsOf: (other) => hostsOf(layout, other),
    leaving: hostsOf(leaving, role),
    leavingOf: (other) => hostsOf(leaving, other),
    forced: leaving.forced ?? false,
    section: (other) => sectionOf(layout, other),
    formerSection: (other) => sectionOf(leaving, other),
  });
  const records = used(layout, roles).flatMap((role) => role.records?.(sectionOf(layout, role), view(role)) ?? []);
  const names = new Set(records.map(({ name }) => name));
  const leavingRecords = used(leaving, roles)
    .flatMap((role) => role.records?.(sectionOf(leaving, role), { ...view(role), on: hostsOf(leaving, role) }) ?? [])
    .filter(({ name }) => !names.has(name));
  return (role) => ({ ...view(role), records, leavingRecords });
}

/** The roles whose sections the cluster has, in the order in which they are rolled out. */
export function used(layout: Pick<Layout, 'sections'>, roles: readonly Role[]): readonly Role[] {
  return roles.filter((role) => Object.hasOwn(layout.sections, role.name));
}

/** Where a role's section stands in cluster.yaml. */
export function sectionPath(role: Pick<Role, 'name' | 'section'>): readonly string[] {
  return role.section ?? ['roles', role.name];
}

/** A role's section was parsed by that role's own schema, which is what makes the type true. */
function sectionOf<Config>(
  layout: Pick<Layout, 'sections'>,
  role: Pick<Role<Config>, 'name' | 'config'>,
): Config | undefined {
  return layout.sections[role.name] as Config | undefined;
}

const NOBODY: Leaving = { hosts: [], sections: {} };

function hostsOf(layout: Pick<Layout, 'hosts' | 'sections'>, role: Role): readonly HostSpec[] {
  if (!Object.hasOwn(layout.sections, role.name)) return [];
  const { data } = Placed.safeParse(layout.sections[role.name]);
  return data?.hosts ? layout.hosts.filter((host) => data.hosts?.includes(host.name)) : layout.hosts;
}
