import { type Bastion, DIRECTLY } from './cluster.ts';
import { viaOf } from './login.ts';
import type { Pieces, Placed } from './pieces.ts';
import { suggestion } from './problem.ts';
import type { Finding } from './rules.ts';

type Given = Pick<Pieces, 'access' | 'sites' | 'hosts' | 'bastions'>;

/** Bastions that are named exist, can be logged in to, and lead somewhere else. */
export function bastionRules(given: Given): readonly Finding[] {
  const all = Object.entries(given.bastions);
  const misnamed = namings(given).flatMap(({ path, via }) => unknown(path, via, Object.keys(given.bastions)));
  const readable = all.flatMap(([name, bastion]) => (bastion ? [[name, bastion] as const] : []));
  return [
    ...all.flatMap(([name]) => nameRule(name, given.hosts)),
    ...misnamed,
    ...readable.flatMap(([name, bastion]) => [...credentialRule(name, bastion), ...loopRule(name, given.bastions)]),
    // One that is written wrong may be the one that nobody uses.
    ...(misnamed.length > 0 ? [] : unused(given)),
  ];
}

/** Messages and what is known of keys go by the name alone. */
function nameRule(name: string, hosts: readonly Placed[]): readonly Finding[] {
  if (name === DIRECTLY)
    return [error(['bastions', name], `wants another name: via: ${DIRECTLY} means to go directly`)];
  if (!hosts.some(({ host }) => host.name === name)) return [];
  return [
    error(
      ['bastions', name],
      'a host has this name: give the bastion another one, such as gate. It may be the same machine',
    ),
  ];
}

function namings({ access, sites = {}, hosts, bastions }: Given) {
  const places: readonly (readonly [path: Finding['path'], of: { readonly via?: string } | undefined])[] = [
    [['access'], access],
    ...Object.entries(sites).map(([name, site]) => [['sites', name], site] as const),
    ...Object.entries(bastions).map(([name, bastion]) => [['bastions', name], bastion] as const),
    ...hosts.map(({ at, host }) => [['hosts', at], host] as const),
  ];
  return places.flatMap(([path, of]) => (of?.via === undefined ? [] : [{ path: [...path, 'via'], via: of.via }]));
}

function unknown(path: Finding['path'], via: string, names: readonly string[]): readonly Finding[] {
  if (via === DIRECTLY || names.includes(via)) return [];
  const there = names.length === 0 ? '; none is named under bastions' : `; there are ${names.slice(0, 10).join(', ')}`;
  return [error(path, `unknown bastion "${via}"${suggestion(via, names) || there}`)];
}

function credentialRule(name: string, bastion: Bastion): readonly Finding[] {
  if (bastion.passphrase && !bastion.privateKey)
    return [error(['bastions', name, 'passphrase'], 'there is no privateKey beside it that it could open')];
  if (bastion.password || bastion.privateKey || bastion.agent) return [];
  return [
    error(
      ['bastions', name],
      `no way to log in to the bastion ${name}: give password or privateKey here, by reference such as { env: FARWEAVE_GATE_PASSWORD }, or agent: true; those under access are for hosts`,
    ),
  ];
}

/** Said once of a loop, at the bastion whose name comes first. */
function loopRule(name: string, bastions: Given['bastions']): readonly Finding[] {
  const way = [name];
  for (let next = viaOf(bastions[name]).via; next !== undefined; next = viaOf(bastions[next]).via) {
    if (next === name) {
      const isFirst = way.every((other) => name <= other);
      return isFirst ? [error(['bastions', name, 'via'], `leads in a circle: ${[...way, name].join(' → ')}`)] : [];
    }
    // A circle further on is said where it is.
    if (way.includes(next)) return [];
    way.push(next);
  }
  return [];
}

/** Not one that only leads to another which is unused: that one is named. */
function unused({ access, sites = {}, hosts, bastions }: Given): readonly Finding[] {
  const named = [
    ...hosts.map(({ host }) => viaOf(host, sites[host.site], access).via),
    ...Object.values(bastions).map((bastion) => viaOf(bastion).via),
  ];
  return Object.keys(bastions)
    .filter((name) => !named.includes(name))
    .map((name) => ({ severity: 'warning', path: ['bastions', name], message: 'leads to no host' }));
}

const error = (path: Finding['path'], message: string): Finding => ({ severity: 'error', path, message });
