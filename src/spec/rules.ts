import { BlockList, isIP } from 'node:net';
import { contexts, type Layout, sectionPath, used } from '../roles/context.ts';
import type { Network } from '../roles/network.ts';
import type { Problem, Role } from '../roles/role.ts';
import type { Access, Host, WrittenAccess } from './cluster.ts';
import { viaOf } from './login.ts';
import type { Pieces, Placed } from './pieces.ts';
import { suggestion } from './problem.ts';
import type { Rollout } from './rollout.ts';

/** What is wrong with a value, by its path from the top of the file. */
export type Finding = Problem;

/** Names and addresses stand for one host each. Behind two bastions the same address is that of two machines. */
export function identityRules(
  hosts: readonly Placed[],
  access: Access,
  sites: Pieces['sites'] = {},
): readonly Finding[] {
  const identity = (host: Host) => {
    const { via } = viaOf(host, sites[host.site], access);
    return `${canonical(host.address)} port ${host.port ?? access.port ?? 22}${via === undefined ? '' : ` via ${via}`}`;
  };
  return [...doubles(hosts, 'name', ({ name }) => name), ...doubles(hosts, 'address', identity)];
}

/** Hosts stand in sites that there are. */
export function siteRules(hosts: readonly Placed[], sites: readonly string[]): readonly Finding[] {
  return hosts
    .filter(({ host }) => !sites.includes(host.site))
    .map(({ at, host: { site } }) =>
      error(['hosts', at, 'site'], `unknown site "${site}"${suggestion(site, sites) || known(sites)}`),
    );
}

/** Windows are by a clock that is known. */
export function windowRules(sites: NonNullable<Pieces['sites']>): readonly Finding[] {
  return Object.entries(sites)
    .filter(([, { timezone, window }]) => window !== undefined && timezone === undefined)
    .map(([site]) =>
      error(['sites', site, 'window'], "wants the site's time zone beside it, such as timezone: Europe/Amsterdam"),
    );
}

/** What is asked for between waves needs waves. `hosts`: how many there are. */
export function rolloutRules({ canary, waves, soak, approval }: Rollout, hosts: number): readonly Finding[] {
  const isEmpty = waves !== undefined && waves.perSite === undefined && waves.sites === undefined;
  const isCut = canary !== undefined || (waves !== undefined && !isEmpty);
  const isAll = canary === '100%' || (typeof canary === 'number' && canary >= hosts);
  return [
    ...(isEmpty ? [error(['rollout', 'waves'], 'wants perSite, sites or both')] : []),
    ...(approval?.before === 'rest' && !isCut
      ? [
          error(
            ['rollout', 'approval', 'before'],
            'there is no rest: all hosts go at once. Say rollout.canary or rollout.waves, or before: start',
          ),
        ]
      : []),
    ...(soak !== undefined && !isCut
      ? [warning(['rollout', 'soak'], 'is never waited for: all hosts go at once. Say rollout.canary or rollout.waves')]
      : []),
    ...(isAll ? [warning(['rollout', 'canary'], 'is every host there is: no other follows it')] : []),
  ];
}

/** Files of somebody's home are read by the command line alone: a worker, which knows another home, never sees these. */
export function writtenRules(access: WrittenAccess): readonly Finding[] {
  return (['sshConfig', 'knownHosts'] as const)
    .filter((key) => access[key] !== undefined && access[key] !== false)
    .map((key) =>
      error(['access', key], 'is for files that the farweave command reads: here only what they mean is understood'),
    );
}

/** Every host can be logged in to. */
export function credentialRules(hosts: readonly Placed[], access: Access): readonly Finding[] {
  return [
    ...(access.passphrase && !access.privateKey ? [error(['access', 'passphrase'], ORPHAN)] : []),
    ...hosts.flatMap((placed) => credentialRule(placed, access)),
  ];
}

const ORPHAN = 'there is no privateKey beside it that it could open';

function credentialRule({ at, host }: Placed, access: Access): readonly Finding[] {
  if (host.passphrase && !host.privateKey) return [error(['hosts', at, 'passphrase'], ORPHAN)];
  const becomes = host.become ?? access.become;
  if (becomes === 'doas' && host.sudo)
    return [error(['hosts', at, 'sudo'], 'is of no use to doas, which must not ask for a password (permit nopass)')];
  const isOpen = host.agent ?? access.agent ?? false;
  if (isOpen || host.password || host.privateKey || access.password || access.privateKey) return [];
  return [
    error(
      ['hosts', at],
      `no way to log in to ${host.name}: give password or privateKey here or under access, by reference such as { env: FARWEAVE_PASSWORD }, or agent: true`,
    ),
  ];
}

/** The mesh has room for all hosts, and lies apart from the addresses by which they are reached. */
export function networkRules(
  network: Network,
  section: readonly string[],
  hosts: readonly Placed[],
): readonly Finding[] {
  const [base = '', length = ''] = network.range.split('/');
  const bits = Number(length);
  if (isIP(base) !== 4 || !/^\d{1,2}$/.test(length) || bits > network.prefix) {
    return [
      error(
        [...section, 'range'],
        `wants an IPv4 range that holds subnets of /${network.prefix}, such as 10.200.0.0/16`,
      ),
    ];
  }
  const room = 2 ** (network.prefix - bits);
  const mesh = new BlockList();
  mesh.addSubnet(base, bits, 'ipv4');
  const [first, ...others] = hosts.filter(({ host }) => isIP(host.address) === 4 && mesh.check(host.address, 'ipv4'));
  const more = others.length > 0 ? `, and so do ${others.length} more` : '';
  return [
    ...(hosts.length > room
      ? [
          error(
            [...section, 'range'],
            `${network.range} has room for ${room} hosts (a /${network.prefix} each), and there are ${hosts.length}`,
          ),
        ]
      : []),
    ...(first
      ? [
          error(
            ['hosts', first.at, 'address'],
            `${first.host.address} lies in the range of the mesh, ${network.range}${more}; choose another ${section.join('.')}.range`,
          ),
        ]
      : []),
  ];
}

/** Hosts that roles name exist. */
export function placementRules(
  hosts: readonly Placed[],
  sections: Layout['sections'],
  roles: readonly Role[],
): readonly Finding[] {
  const names = hosts.map(({ host }) => host.name);
  return used({ sections }, roles).flatMap((role) => {
    const section = sections[role.name];
    const chosen = typeof section === 'object' && section && 'hosts' in section ? section.hosts : undefined;
    if (!Array.isArray(chosen)) return [];
    return chosen
      .map(String)
      .flatMap((name, n) =>
        names.includes(name)
          ? []
          : [
              error(
                [...sectionPath(role), 'hosts', n],
                `unknown host "${name}"${suggestion(name, names) || known(names)}`,
              ),
            ],
      );
  });
}

/** What each role has to say about its own section. */
export function roleRules(layout: Layout, roles: readonly Role[]): readonly Finding[] {
  const contextOf = contexts(layout, roles);
  return used(layout, roles).flatMap((role) =>
    (role.validate?.(layout.sections[role.name], contextOf(role)) ?? []).map((problem) => ({
      ...problem,
      path: [...sectionPath(role), ...problem.path],
    })),
  );
}

function doubles(hosts: readonly Placed[], field: string, identity: (host: Host) => string): readonly Finding[] {
  const firsts = new Map<string, Host>();
  return hosts.flatMap(({ at, host }) => {
    const id = identity(host);
    const first = firsts.get(id);
    if (!first) firsts.set(id, host);
    return first
      ? [error(['hosts', at, field], `${id} is taken already, by ${field === 'name' ? 'another host' : first.name}`)]
      : [];
  });
}

/** Addresses that are written differently and mean the same. */
function canonical(address: string): string {
  return isIP(address) === 6
    ? new URL(`http://[${address.split('%')[0]}]`).hostname
    : address.toLowerCase().replace(/\.$/, '');
}

const known = (names: readonly string[]) =>
  names.length > 0 && names.length <= 10 ? `; there are ${names.join(', ')}` : '';
const error = (path: Finding['path'], message: string): Finding => ({ severity: 'error', path, message });
const warning = (path: Finding['path'], message: string): Finding => ({ severity: 'warning', path, message });
