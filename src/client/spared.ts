import { ACCESS_KEY, ACCESS_SUDO, givenFor, sudoPasswordOf } from '../plan/access-key.ts';
import type { HostSpec, Plan } from '../plan/plan.ts';
import { isAbsent } from '../plan/sealed.ts';
import type { Generated, SecretReference } from '../roles/secret.ts';
import type { ClusterView } from '../workflows/contract.ts';

/** Secrets by name, each with what it stands for. */
type Named<Value> = Readonly<Record<string, Value>>;

/** What it takes to know by which key each host lets Farweave in. */
type Known = Pick<ClusterView, 'facts' | 'sealed'>;

/** Credentials that somebody who applies need not give. */
export interface Spared {
  /** No host needs them, since each lets Farweave in by the cluster's own key: they are not kept. With where they would come from. */
  readonly absent: Named<string>;
  /** A host that has no key yet needs them, and they are kept since they were given. */
  readonly kept: ReadonlySet<string>;
}

/** What of the credentials of a plan's hosts need not be given, by what is remembered of a cluster that has a key of its own. */
export function spared(
  { hosts, secrets }: Pick<Plan, 'hosts' | 'secrets'>,
  references: Named<SecretReference | Generated>,
  state: Known = { facts: {}, sealed: {} },
): Spared {
  const given = hosts.filter(({ access }) => access.key !== undefined).flatMap(givenFor);
  const ours = [...new Set(given)].filter((name) => secrets[name]?.from === 'spec');
  const needed = new Set(hosts.flatMap((host) => neededBy(host, state)));
  const absent = ours.flatMap((name) => {
    const from = references[name];
    return needed.has(name) || from === undefined ? [] : [[name, whereabouts(from)] as const];
  });
  const isKept = (name: string) => {
    const sealed = state.sealed[name];
    return needed.has(name) && sealed !== undefined && !isAbsent(sealed);
  };
  return { absent: Object.fromEntries(absent), kept: new Set(ours.filter(isKept)) };
}

/** The hosts that a credential is needed for. */
export function needing(hosts: Plan['hosts'], state: Known, secret: string): readonly string[] {
  return hosts.filter((host) => neededBy(host, state).includes(secret)).map(({ name }) => name);
}

/** What it takes to get in, and to be root there. */
function neededBy(host: HostSpec, { facts, sealed }: Known): readonly string[] {
  const { key } = host.access;
  const sudoPassword = sudoPasswordOf(host);
  // Where a cluster was adopted without its secrets, nobody has the key any more.
  const isIn = key !== undefined && sealed[facts[ACCESS_KEY]?.[host.name] ?? ''] !== undefined;
  if (!isIn) return givenFor(host);
  return sudoPassword !== undefined && facts[ACCESS_SUDO]?.[host.name] === 'asks' ? [sudoPassword] : [];
}

function whereabouts(from: SecretReference | Generated): string {
  if ('env' in from) return `the environment variable ${from.env}`;
  if ('file' in from) return `the file ${from.file}`;
  return 'command' in from ? `\`${from.command.join(' ')}\`` : 'the cluster file';
}
