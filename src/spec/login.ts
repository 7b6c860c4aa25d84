import type { BastionSpec, HostSpec } from '../plan/plan.ts';
import { ACCESS_KEY } from '../roles/access-key.ts';
import type { Generated, SecretReference } from '../roles/secret.ts';
import { type Access, type Bastion, type ClusterHost, DIRECTLY, type Host } from './cluster.ts';

type Credentials = Pick<Access, 'password' | 'privateKey' | 'passphrase' | 'sudo'>;

/** Whatever says by which bastion one goes on from there. */
type Via = { readonly via?: string };

/** A host with what `access` and its site say for all, and the names of the secrets to log in with. */
export function hostOf(host: Host, access: Access, sites: Readonly<Record<string, Via>> = {}): ClusterHost {
  const shared = credentials('access', {
    ...access,
    // Another key than the one for all has another passphrase, or none.
    ...(host.privateKey && { passphrase: undefined }),
  });
  const own = credentials(`access.${host.name}`, host);
  return {
    name: host.name,
    site: host.site,
    address: host.address,
    port: host.port ?? access.port ?? 22,
    user: host.user ?? access.user ?? 'root',
    ...(host.hostKey && { hostKey: host.hostKey }),
    labels: host.labels,
    ...viaOf(host, sites[host.site], access),
    ...((host.agent ?? access.agent) && { agent: true as const }),
    ...((host.become ?? access.become) === 'doas' && { become: 'doas' as const }),
    access: { ...namesOf(shared), ...namesOf(own), ...(isKeyed(host, access) && { key: ACCESS_KEY }) },
  };
}

/** A bastion with the names of the secrets to log in with. What `access` says is for hosts. */
export function bastionOf(name: string, bastion: Bastion): BastionSpec {
  const { sudoPassword: _, ...access } = namesOf(credentials(`bastion.${name}`, bastion));
  return {
    address: bastion.address,
    port: bastion.port ?? 22,
    user: bastion.user ?? 'root',
    ...(bastion.hostKey && { hostKey: bastion.hostKey }),
    ...viaOf(bastion),
    ...(bastion.agent && { agent: true as const }),
    ...(bastion.limits && { limits: bastion.limits }),
    access,
  };
}

/** By which bastion one gets there, by the first that says so. */
export function viaOf(...from: readonly (Via | undefined)[]): Via {
  const via = from.find((each) => each?.via !== undefined)?.via;
  return via === undefined || via === DIRECTLY ? {} : { via };
}

/** The secrets that are given to log in with, by name: one for all hosts, those of hosts that have their own, and those of bastions. */
export function accessSecrets(
  hosts: readonly Host[],
  access: Access,
  bastions: Readonly<Record<string, Bastion>> = {},
): Readonly<Record<string, SecretReference>> {
  const all = [
    ...credentials('access', access),
    ...hosts.flatMap((host) => credentials(`access.${host.name}`, host)),
    ...Object.entries(bastions).flatMap(([name, bastion]) => credentials(`bastion.${name}`, bastion)),
  ];
  return Object.fromEntries(all.map(({ name, reference }) => [name, reference]));
}

/** The key that is made for the cluster, where a host is to have it. */
export function accessKeys(hosts: readonly Host[], access: Access): Readonly<Record<string, Generated>> {
  const isWanted = hosts.some((host) => isKeyed(host, access));
  return isWanted ? { [ACCESS_KEY]: { generate: { key: 'ed25519' } } } : {};
}

const isKeyed = (host: Host, access: Access) => host.rotate ?? access.rotate ?? false;

interface Credential {
  readonly kind: keyof HostSpec['access'];
  readonly name: string;
  readonly reference: SecretReference;
}

function credentials(
  prefix: string,
  from: { [Key in keyof Credentials]?: Credentials[Key] | undefined },
): readonly Credential[] {
  const given = {
    password: from.password,
    privateKey: from.privateKey,
    passphrase: from.passphrase,
    sudoPassword: from.sudo?.password,
  };
  const kinds = ['password', 'privateKey', 'passphrase', 'sudoPassword'] as const;
  return kinds.flatMap((kind) => {
    const reference = given[kind];
    return reference ? [{ kind, name: `${prefix}.${kind}`, reference }] : [];
  });
}

function namesOf(credentials: readonly Credential[]): HostSpec['access'] {
  return Object.fromEntries(credentials.map(({ kind, name }) => [kind, name]));
}
