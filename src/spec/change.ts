import * as z from 'zod';
import { Host } from './cluster.ts';
import { SpecError, suggestion } from './problem.ts';
import { type Edit, edited, readSource } from './source.ts';

/** A host that comes, as cluster.yaml would have it. */
const NewHost = Host.extend({
  roles: z
    .array(z.string())
    .exactOptional()
    .describe('Roles with a list of hosts that it joins; those without one are for every host.'),
});

/** Hosts that come or go. One that is replaced makes room for another machine, which comes first and may take its name. */
export const HostChange = z.union([
  z.strictObject({ add: z.array(NewHost).min(1) }),
  z.strictObject({ remove: z.array(z.string()).min(1) }),
  z.strictObject({ replace: z.string(), with: NewHost }),
]);

export type HostChange = z.input<typeof HostChange>;

/** A cluster.yaml before and after a change of hosts. */
export interface Changed {
  readonly text: string;
  /** The one that leaves may have made room for another of its name. */
  readonly before: string;
  /** The host that goes by another name for the time it still has. */
  readonly renamed?: { readonly from: string; readonly to: string };
}

/** Of a name. */
const LONGEST = 31;

/**
 * A cluster.yaml with hosts that have come or gone, also from the lists of roles. `taken` are names that hosts have had before.
 * Pure. The result is not checked: for that it is parsed.
 * @throws SpecError where a host is unknown, or one is there already.
 */
export function changeHosts(text: string, change: HostChange, taken: readonly string[] = []): Changed {
  const value = Cluster.parse(readSource(text).value);
  const names = value.hosts.map(({ name }) => name);
  if ('add' in change) {
    for (const { name } of change.add) if (names.includes(name)) throw refuse(`${name} is there already`);
    return { text: change.add.reduce((now, host) => withHost(now, host), text), before: text };
  }
  const leaving = 'remove' in change ? change.remove : [change.replace];
  for (const name of leaving)
    if (!names.includes(name)) throw refuse(`there is no host ${name}${suggestion(name, names)}`);
  if (names.every((name) => leaving.includes(name)) && 'remove' in change)
    throw refuse(`${leaving.join(', ')} would be the last to go: farweave destroy takes a whole cluster away`);
  if ('remove' in change) return { text: leaving.reduce(withoutHost, text), before: text };
  const { replace: from, with: by } = change;
  if (by.name !== from && names.includes(by.name)) throw refuse(`${by.name} is there already`);
  const instead = { ...by, roles: by.roles ?? rolesOf(value, from) };
  if (by.name !== from) return { text: withoutHost(withHost(text, instead), from), before: text };
  const to = unused(from, [...names, ...taken]);
  return { text: withHost(withoutHost(text, from), instead), before: withName(text, from, to), renamed: { from, to } };
}

const Cluster = z.looseObject({
  hosts: z.array(z.looseObject({ name: z.string() })),
  roles: z.record(z.string(), z.unknown()).catch({}),
  network: z.looseObject({ endpoints: z.record(z.string(), z.unknown()).catch({}) }).catch({ endpoints: {} }),
});
type Cluster = z.infer<typeof Cluster>;

function withHost(text: string, { roles = [], ...host }: z.input<typeof NewHost>): string {
  const value = Cluster.parse(readSource(text).value);
  const joined = listsIn(value.roles, ['roles']).filter(({ path }) => roles.includes(keyOf(path)));
  const unknown = roles.filter(
    (role) => !Object.hasOwn(value.roles, role) && !joined.some(({ path }) => keyOf(path) === role),
  );
  if (unknown.length > 0) throw refuse(`there is no role ${unknown.join(', ')} for ${host.name} to join`);
  const lists = joined.map(({ path }): Edit => ({ path, value: host.name, append: true }));
  return edited(text, [{ path: ['hosts'], value: host, append: true }, ...lists]);
}

function withoutHost(text: string, name: string): string {
  const value = Cluster.parse(readSource(text).value);
  return edited(
    text,
    placesOf(value, name)
      .map((path) => ({ path }))
      .concat({ path: ['hosts', indexOf(value, name)] }),
  );
}

function withName(text: string, from: string, to: string): string {
  const value = Cluster.parse(readSource(text).value);
  const endpoint = value.network.endpoints[from];
  const lists = placesOf(value, from).filter(([top]) => top === 'roles');
  return edited(text, [
    { path: ['hosts', indexOf(value, from), 'name'], value: to },
    ...lists.map((path): Edit => ({ path, value: to })),
    ...(endpoint === undefined ? [] : [{ path: ['network', 'endpoints', from] }]),
    ...(endpoint === undefined ? [] : [{ path: ['network', 'endpoints', to], value: endpoint }]),
  ]);
}

/** Where a host is named besides in the list of hosts. */
function placesOf({ roles, network }: Cluster, name: string): readonly (readonly PropertyKey[])[] {
  const lists = listsIn(roles, ['roles']).flatMap(({ path, names }) =>
    names.includes(name) ? [[...path, names.indexOf(name)]] : [],
  );
  return [...lists, ...(Object.hasOwn(network.endpoints, name) ? [['network', 'endpoints', name]] : [])];
}

/** Roles name their hosts in lists called `hosts`, however deep. */
function listsIn(
  value: unknown,
  path: readonly PropertyKey[],
): readonly { readonly path: readonly PropertyKey[]; readonly names: readonly string[] }[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, inside]) =>
    key === 'hosts' && Array.isArray(inside)
      ? [{ path: [...path, key], names: inside.map(String) }]
      : listsIn(inside, [...path, key]),
  );
}

const rolesOf = ({ roles }: Cluster, name: string) =>
  listsIn(roles, ['roles']).flatMap(({ path, names }) => (names.includes(name) ? [keyOf(path)] : []));

/** `mongodb`, `container.redis`: what a list of hosts belongs to. */
const keyOf = (path: readonly PropertyKey[]) => path.slice(1, -1).map(String).join('.');

const indexOf = ({ hosts }: Cluster, name: string) => hosts.findIndex((host) => host.name === name);

function unused(name: string, taken: readonly string[]): string {
  for (let n = 1; ; n++) {
    const suffix = n === 1 ? '-old' : `-old${n}`;
    const other = `${name.slice(0, LONGEST - suffix.length)}${suffix}`;
    if (!taken.includes(other)) return other;
  }
}

function refuse(message: string): SpecError {
  return new SpecError([{ severity: 'error', file: 'cluster.yaml', line: 1, column: 1, path: 'hosts', message }]);
}
