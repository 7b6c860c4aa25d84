import * as z from 'zod';
import { type Layout, sectionPath } from '../roles/context.ts';
import type { Network } from '../roles/network.ts';
import type { Role } from '../roles/role.ts';
import { Bastion, Host, WrittenAccess } from './cluster.ts';
import { Rollout } from './rollout.ts';

/** A host that could be read, with its place in the list. */
export interface Placed {
  readonly at: number;
  readonly host: Host;
}

/**
 * As much of a cluster as could be read: with one host wrong the others are still worth a check,
 * so that all that is wrong is said at once. What the schema complains of is missing here.
 */
export interface Pieces {
  readonly sites?: z.infer<typeof Sites>;
  readonly access?: WrittenAccess;
  readonly hosts: readonly Placed[];
  /** By name, also of those that could not be read. */
  readonly bastions: Readonly<Record<string, Bastion | undefined>>;
  readonly sections: Layout['sections'];
  readonly rollout?: Rollout;
  readonly network?: { readonly path: readonly string[]; readonly value: Network };
  /** No host, no bastion and no section was left out. */
  readonly complete: boolean;
}

const Top = z.record(z.string(), z.unknown());
const Sites = z.record(
  z.string(),
  z
    .object({
      timezone: z.string().exactOptional(),
      window: z.unknown().exactOptional(),
      via: z.string().exactOptional(),
    })
    .catch({}),
);

/** Reads each part of the file by itself. */
export function readPieces(value: object, roles: readonly Role[]): Pieces {
  const top = Top.parse(value);
  const listed = z.array(z.unknown()).catch([]).parse(top.hosts);
  const hosts = listed.flatMap((entry, at) => {
    const { data: host } = Host.safeParse(entry);
    return host ? [{ at, host }] : [];
  });
  const bastions = Object.entries(Top.catch({}).parse(top.bastions)).map(
    ([name, entry]) => [name, Bastion.safeParse(entry)] as const,
  );
  const written = roles
    .map((role) => ({ role, section: sectionOf(top, role) }))
    .filter(({ role, section }) => role.always || section !== undefined);
  const read = written.flatMap(({ role, section = {} }) => {
    const { success, data } = role.config.safeParse(section);
    return success ? [{ role, config: data }] : [];
  });
  return {
    ...present('sites', Sites.safeParse(top.sites).data),
    ...present('access', WrittenAccess.safeParse(top.access ?? {}).data),
    ...present('rollout', Rollout.safeParse(top.rollout ?? {}).data),
    ...present('network', networkOf(read)),
    hosts,
    bastions: Object.fromEntries(bastions.map(([name, { data }]) => [name, data])),
    sections: Object.fromEntries(read.map(({ role, config }) => [role.name, config])),
    complete:
      bastions.every(({ 1: { success } }) => success) &&
      hosts.length === listed.length &&
      read.length === written.length,
  };
}

function sectionOf(top: z.infer<typeof Top>, role: Role): unknown {
  return sectionPath(role).reduce<unknown>((inside, key) => Top.safeParse(inside).data?.[key], top);
}

function networkOf(read: readonly { readonly role: Role; readonly config: unknown }[]): Pieces['network'] {
  const [found] = read.flatMap(({ role, config }) =>
    role.network ? [{ path: sectionPath(role), value: role.network(config) }] : [],
  );
  return found;
}

function present<Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]: Value });
}
