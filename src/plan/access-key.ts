import { ACCESS_KEY, ACCESS_SUDO } from '../roles/access-key.ts';
import { type Facts, HOST_KEY, HOST_KEY_OTHER, type HostSpec, type Knowledge } from './plan.ts';

/** What there is to know of the way in to a host: all that is done there takes it along. */
export const WAY_IN = [HOST_KEY, HOST_KEY_OTHER, ACCESS_KEY, ACCESS_SUDO] as const;

export { ACCESS_KEY, ACCESS_SUDO };

/** The secret of the nth key of a cluster. */
const accessKey = (nth: number): string => (nth === 1 ? ACCESS_KEY : `${ACCESS_KEY}-${nth}`);

/** Whether a secret is a key that was made for the cluster. As long as it is kept, it may be what a host lets Farweave in with. */
export const isAccessKey = (secret: string): boolean => /^access\.key(?:-\d+)?$/.test(secret);

/** The key that hosts are to have by now, if they are to have one. */
export const currentKey = ({ key = 1 }: Knowledge): string => accessKey(key);

/** A host as the spec has it, with the key that is to be there by now. */
export function withKey<Host extends Pick<HostSpec, 'access'>>(host: Host, knowledge: Knowledge): Host {
  return host.access.key === undefined ? host : { ...host, access: { ...host.access, key: currentKey(knowledge) } };
}

/** The credentials that were given for a host, by the names of their secrets. */
export function givenFor({ access }: Pick<HostSpec, 'access'>): readonly string[] {
  return Object.entries(access).flatMap(([field, name]) => (field === 'key' ? [] : [name]));
}

/** The secret that sudo may ask for; doas asks for none. */
export function sudoPasswordOf({ become, access }: Pick<HostSpec, 'become' | 'access'>): string | undefined {
  return become === 'doas' ? undefined : (access.sudoPassword ?? access.password);
}

/**
 * Facts of a host that are news, with the key that it had before where it is known by the other one from now on: as long as
 * a rollout may be taken back, either counts.
 */
export function keyMoved(known: Facts, host: string, news: Readonly<Record<string, string>>): typeof news {
  const [before, other] = [known[HOST_KEY]?.[host], known[HOST_KEY_OTHER]?.[host]];
  const now = news[HOST_KEY];
  const hasMoved = now !== undefined && now === other && before !== undefined && before !== now;
  return hasMoved ? { ...news, [HOST_KEY_OTHER]: before } : news;
}

/** The ways in to some hosts, of all facts. */
export function waysIn(hosts: readonly string[], facts: Facts): Facts {
  return Object.fromEntries(
    WAY_IN.flatMap((fact) => {
      const table = facts[fact] ?? {};
      const own = hosts.flatMap((host) => (table[host] === undefined ? [] : [[host, table[host]] as const]));
      return own.length === 0 ? [] : [[fact, Object.fromEntries(own)] as const];
    }),
  );
}
