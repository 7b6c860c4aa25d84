import * as z from 'zod';
import type { HostSpec } from '../plan/plan.ts';
import type { DnsRecord, Network } from './network.ts';
import { type Context, hostNames, type Role, type Site } from './role.ts';

/** What the roles' contexts are made from. */
export interface Layout {
  readonly cluster: string;
  readonly sites: Readonly<Record<string, Site>>;
  readonly hosts: readonly HostSpec[];
  readonly network: Network;
  /** Parsed sections by the role's name; none where a role is not used. */
  readonly sections: Readonly<Record<string, unknown>>;
}

const Placed = z.object({ hosts: hostNames });

/** Gives each role its view of a cluster, the names of all roles' containers included. */
export function contexts(layout: Layout, roles: readonly Role[]): (role: Role) => Context {
  const view = (role: Role): Omit<Context, 'records'> => ({
    cluster: layout.cluster,
    sites: layout.sites,
    hosts: layout.hosts,
    network: layout.network,
    on: hostsOf(layout, role),
    hostsOf: (other) => hostsOf(layout, other),
    section: (other) => sectionOf(layout, other),
  });
  const records: readonly DnsRecord[] = used(layout, roles).flatMap(
    (role) => role.records?.(sectionOf(layout, role), view(role)) ?? [],
  );
  return (role) => ({ ...view(role), records });
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
function sectionOf<Config>(layout: Layout, role: Role<Config>): Config | undefined {
  return layout.sections[role.name] as Config | undefined;
}

function hostsOf(layout: Layout, role: Role): readonly HostSpec[] {
  if (!Object.hasOwn(layout.sections, role.name)) return [];
  const { data } = Placed.safeParse(layout.sections[role.name]);
  return data?.hosts ? layout.hosts.filter((host) => data.hosts?.includes(host.name)) : layout.hosts;
}
