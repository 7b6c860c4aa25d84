import * as z from 'zod';
import type { HostSpec } from '../plan/plan.ts';
import type { Context, Problem } from './role.ts';
import { suggestion } from './suggestion.ts';

/** In the section of a role: which hosts something is for. A host must fit all that is said. */
export const placement = {
  hosts: z.array(z.string()).min(1).optional().describe('Names of hosts. Missing: all.'),
  sites: z.array(z.string()).min(1).optional().describe('Names of sites: all hosts there. Missing: every site.'),
  labels: z
    .record(z.string(), z.string())
    .optional()
    .describe('Labels that a host must have, with their values, such as { disk: fast }.'),
  count: z
    .int()
    .min(1)
    .optional()
    .describe(
      'How many of those hosts, spread over their sites. The same ones for as long as they are there. Missing: all.',
    ),
} as const;

export interface Placement {
  readonly hosts?: readonly string[] | undefined;
  readonly sites?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly count?: number | undefined;
}

/** The hosts that something is for, in the order of the file. */
export function placed(where: Placement, hosts: readonly HostSpec[]): readonly HostSpec[] {
  const fitting = hosts.filter((host) => fits(where, host));
  const chosen = spread(fitting).slice(0, where.count);
  return fitting.filter((host) => chosen.includes(host));
}

/** What is wrong with where something is to be; `path` leads to it, from the role's section on. */
export function placementProblems(
  where: Placement,
  { hosts, sites }: Pick<Context, 'hosts' | 'sites'>,
  path: Problem['path'],
): readonly Problem[] {
  const names = hosts.map(({ name }) => name);
  const strangers = [
    ...unknown('host', where.hosts, names, [...path, 'hosts']),
    ...unknown('site', where.sites, Object.keys(sites), [...path, 'sites']),
    ...Object.entries(where.labels ?? {}).flatMap(([label, value]) =>
      unknownLabel(label, value, hosts, [...path, 'labels', label]),
    ),
  ];
  if (strangers.length > 0) return strangers;
  const fitting = hosts.filter((host) => fits(where, host)).map(({ name }) => name);
  if (fitting.length === 0) return [error(path, `is for no host: ${reasons(where, hosts)}`)];
  if (where.count === undefined || where.count <= fitting.length) return [];
  return [error([...path, 'count'], `wants ${where.count} hosts, and there are ${fitting.length}: ${list(fitting)}`)];
}

function fits({ hosts, sites, labels = {} }: Placement, host: HostSpec): boolean {
  return (
    (hosts?.includes(host.name) ?? true) &&
    (sites?.includes(host.site) ?? true) &&
    Object.entries(labels).every(([label, value]) => host.labels[label] === value)
  );
}

/**
 * One of every site, then a second of every site: each time the host with the lowest index, which is the one that was there
 * first. So a host that joins takes nobody's place, unless that makes for a better spread, and one that goes gives away its own alone.
 */
function spread(hosts: readonly HostSpec[]): readonly HostSpec[] {
  const byAge = hosts.toSorted((one, other) => one.index - other.index);
  const turn = (host: HostSpec) => byAge.filter(({ site }) => site === host.site).indexOf(host);
  return byAge
    .map((host) => ({ host, turn: turn(host) }))
    .toSorted((one, other) => one.turn - other.turn)
    .map(({ host }) => host);
}

function unknown(
  what: string,
  wanted: readonly string[] = [],
  there: readonly string[],
  path: Problem['path'],
): readonly Problem[] {
  return wanted.flatMap((name, n) =>
    there.includes(name)
      ? []
      : [error([...path, n], `unknown ${what} "${name}"${suggestion(name, there) || `; there are ${list(there)}`}`)],
  );
}

function unknownLabel(
  label: string,
  value: string,
  hosts: readonly HostSpec[],
  path: Problem['path'],
): readonly Problem[] {
  const values = [...new Set(hosts.flatMap(({ labels }) => labels[label] ?? []))];
  if (values.includes(value)) return [];
  const labels = [...new Set(hosts.flatMap(({ labels: all }) => Object.keys(all)))];
  return values.length > 0
    ? [error(path, `no host has ${label}: ${value}${suggestion(value, values) || `; there are ${list(values)}`}`)]
    : [error(path, `no host has a label "${label}"${suggestion(label, labels)}`)];
}

/** Each wish by itself, since none of them alone is to blame. */
function reasons({ hosts, sites, labels = {} }: Placement, all: readonly HostSpec[]): string {
  const having = (label: string, value: string) => all.filter((host) => host.labels[label] === value);
  const wishes = [
    ...(hosts ? [`hosts: ${list(hosts)}`] : []),
    ...(sites ? [`sites: ${list(sites)} (${list(namesOf(all.filter(({ site }) => sites.includes(site))))})`] : []),
    ...Object.entries(labels).map(([label, value]) => `${label}: ${value} (${list(namesOf(having(label, value)))})`),
  ];
  return `none is in all of ${wishes.join('; ')}`;
}

const namesOf = (hosts: readonly HostSpec[]) => hosts.map(({ name }) => name);
const list = (names: readonly string[]) =>
  names.length > 10 ? `${names.slice(0, 10).join(', ')}, …` : names.join(', ') || 'none';
const error = (path: Problem['path'], message: string): Problem => ({ severity: 'error', path, message });
