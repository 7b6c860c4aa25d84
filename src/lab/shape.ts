import { LabError } from './errors.ts';
import type { HostRelease, HostState, LabState } from './state.ts';
import { hostAddress } from './subnet.ts';

const SITES = ['ams', 'fra', 'nyc', 'sin', 'syd', 'lon', 'gru', 'tyo', 'waw', 'jnb', 'sfo', 'bom'];
const MIXED: readonly HostRelease[] = ['trixie', 'bookworm'];
const MOST_HOSTS = 240; // of a data center: its subnet is a /24

/** What a lab may be asked to be; see LabOptions. */
export interface Shape {
  sites?: number | readonly string[] | undefined;
  hostsPerSite?: number | undefined;
  release?: HostRelease | undefined;
}

/**
 * The data centers and hosts that a lab should have: those it has, and those that the shape asks for beyond them.
 * Nothing is ever taken away here. Without a shape a new lab has three data centers of one host.
 */
export function grow(
  block: string,
  old: Pick<LabState, 'sites' | 'hosts'>,
  shape: Shape,
): Pick<LabState, 'sites' | 'hosts'> {
  const isNew = old.sites.length === 0;
  const sites = [...old.sites];
  const asked = siteNames(shape.sites ?? (isNew ? 3 : 0));
  for (const site of asked) if (!sites.includes(site)) sites.push(site);
  const hosts = [...old.hosts];
  const perSite = shape.hostsPerSite ?? (isNew || shape.sites !== undefined ? 1 : 0);
  for (const site of asked.length > 0 ? asked : sites) {
    while (hosts.filter((host) => host.site === site).length < perSite)
      hosts.push(nextHost(block, sites, hosts, site, shape));
  }
  return { sites, hosts };
}

/** The host that comes next in a data center: the lowest free name and address. */
export function nextHost(
  block: string,
  sites: readonly string[],
  hosts: readonly HostState[],
  site: string,
  shape: Pick<Shape, 'release'>,
): HostState {
  const siteIndex = sites.indexOf(site);
  const index = firstFree((n) => hosts.some((host) => host.name === `vm${n}`));
  const place = firstFree((n) => hosts.some((host) => host.address === hostAddress(block, siteIndex, n)));
  if (place >= MOST_HOSTS) throw new LabError(`${site} is full`, `A data center holds at most ${MOST_HOSTS} hosts.`);
  return {
    name: `vm${index}`,
    site,
    address: hostAddress(block, siteIndex, place),
    release: shape.release ?? MIXED[index % MIXED.length] ?? 'trixie',
    hostKey: '',
  };
}

function siteNames(sites: number | readonly string[]): string[] {
  const names = typeof sites === 'number' ? Array.from({ length: sites }, (_, i) => SITES[i] ?? `dc${i}`) : [...sites];
  const wrong = names.find(
    (name) => !/^[a-z][a-z0-9-]{0,20}$/.test(name) || /^vm\d+$|^gateway$|^controller$/.test(name),
  );
  if (wrong !== undefined) {
    throw new LabError(
      `${wrong} cannot be the name of a data center`,
      'Use small letters, digits and hyphens: ams, fra2.',
    );
  }
  if (names.length > 250) throw new LabError(`${names.length} data centers are too many`, 'A lab has at most 250.');
  return names;
}

function firstFree(isTaken: (n: number) => boolean): number {
  let n = 0;
  while (isTaken(n)) n++;
  return n;
}
