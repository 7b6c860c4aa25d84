import { isAccessKey } from './access-key.ts';
import { BASTION_KEY, type BastionSpec, type Bastions, type Facts, type HostSpec } from './plan.ts';

/** What of a host or a bastion says how it is reached. */
type Reached = Pick<HostSpec, 'via' | 'access'>;

/** The bastions on the way to a host, the nearest to it first, with their names. Ends where a name is unknown. */
export function wayTo(
  { via }: Pick<HostSpec, 'via'>,
  bastions: Bastions = {},
): readonly (BastionSpec & { name: string })[] {
  const way: (BastionSpec & { name: string })[] = [];
  // A loop is refused where a spec is parsed; a plan is only read.
  for (let name = via; name !== undefined && way.every((bastion) => bastion.name !== name); ) {
    const bastion = bastions[name];
    if (!bastion) break;
    way.push({ ...bastion, name });
    name = bastion.via;
  }
  return way;
}

/** The bastions on the way to some hosts, as a part of a message; nothing where there are none. */
export function bastionsTo(hosts: readonly Reached[], bastions: Bastions = {}): { readonly bastions?: Bastions } {
  const needed = hosts.flatMap((host) => wayTo(host, bastions)).map(({ name }) => [name, bastions[name]!] as const);
  return needed.length === 0 ? {} : { bastions: Object.fromEntries(needed) };
}

/** Names of the secrets that it takes to reach some hosts, those of their bastions included. */
export function accessTo(hosts: readonly Reached[], bastions?: Bastions): readonly string[] {
  const reached = [...hosts, ...Object.values(bastionsTo(hosts, bastions).bastions ?? {})];
  return [...new Set(reached.flatMap(({ access }) => Object.values(access)))];
}

/** Whether a secret may be what it takes to reach some hosts: any key of the cluster may be the one that they have. */
export function isAccessTo(hosts: readonly Reached[], bastions?: Bastions): (secret: string) => boolean {
  const names = new Set(accessTo(hosts, bastions));
  return (secret) => names.has(secret) || isAccessKey(secret);
}

/** The keys that are known of some bastions, as a part of facts; nothing where there are none. */
export function keysOfBastions(facts: Facts, bastions: Bastions = {}): Facts {
  const keys = Object.entries(facts[BASTION_KEY] ?? {}).filter(([name]) => Object.hasOwn(bastions, name));
  return keys.length === 0 ? {} : { [BASTION_KEY]: Object.fromEntries(keys) };
}
