import { ACCESS_KEY, ACCESS_SUDO } from '../plan/access-key.ts';
import type { Facts, HostSpec, Plan } from '../plan/plan.ts';
import type { Generated, SecretReference } from '../roles/secret.ts';

/** Secrets by name, each with what it stands for. */
type Named<Value> = Readonly<Record<string, Value>>;

/**
 * The credentials that no host of a plan needs, since each lets Farweave in by the cluster's own key: nobody is asked for
 * them, and they are not kept. Each with where it would come from.
 */
export function spared(
  { hosts, secrets }: Pick<Plan, 'hosts' | 'secrets'>,
  references: Named<SecretReference | Generated>,
  facts: Facts,
): Named<string> {
  const given = new Set(hosts.filter(({ access }) => access.key !== undefined).flatMap(givenTo));
  const needed = new Set(hosts.flatMap((host) => neededBy(host, facts)));
  return Object.fromEntries(
    [...given].flatMap((name) => {
      const from = references[name];
      const isOurs = secrets[name]?.from === 'spec' && from !== undefined && !needed.has(name);
      return isOurs ? [[name, whereabouts(from)] as const] : [];
    }),
  );
}

/** The hosts that a credential is needed for. */
export function needing(hosts: Plan['hosts'], facts: Facts, secret: string): readonly string[] {
  return hosts.filter((host) => neededBy(host, facts).includes(secret)).map(({ name }) => name);
}

/** What it takes to get in, and to be root there. */
function neededBy(host: HostSpec, facts: Facts): readonly string[] {
  const { key, password, sudoPassword = password } = host.access;
  const isIn = key !== undefined && (facts[ACCESS_KEY]?.[host.name] ?? '') !== '';
  if (!isIn) return givenTo(host);
  return sudoPassword !== undefined && facts[ACCESS_SUDO]?.[host.name] === 'asks' ? [sudoPassword] : [];
}

function givenTo({ access: { key: _, ...given } }: HostSpec): readonly string[] {
  return Object.values(given);
}

function whereabouts(from: SecretReference | Generated): string {
  if ('env' in from) return `the environment variable ${from.env}`;
  if ('file' in from) return `the file ${from.file}`;
  return 'command' in from ? `\`${from.command.join(' ')}\`` : 'the cluster file';
}
