import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { ACCESS_KEY, ACCESS_SUDO, isAccessKey, sudoPasswordOf } from '../plan/access-key.ts';
import { BASTION_KEY, type Bastions, DIGEST_KEY, type Facts, HOST_KEY, type HostSpec } from '../plan/plan.ts';
import { entryOf, whereaboutsOf } from '../plan/sealed.ts';
import { wayTo } from '../plan/way.ts';
import { publicHalf } from '../ssh/access-key.ts';
import type { Command, Encoding, Secret, Text, Variable } from '../ssh/command.ts';
import type { Target, Values } from '../ssh/host.ts';
import type { Sealed } from './contract.ts';
import { failure } from './failures.ts';
import { Redaction } from './redaction.ts';
import type { Vault } from './vault.ts';

/** The secrets of one activity, opened as they are needed. */
export interface Secrets {
  /** How to reach the host with the credentials that were given, by which bastions, and the keys they must show. */
  target(host: HostSpec, facts: Facts, bastions?: Bastions): Promise<Target>;
  /** The keys that were made for the cluster, by name: the one that is known to do at this host first, then the one that is to. */
  keys(host: HostSpec, facts: Facts): readonly string[];
  /** How to reach the host with one of them alone and, where sudo is known to ask, or told to, the password for that. */
  keyed(host: HostSpec, facts: Facts, by: Keyed): Promise<Target>;
  /** What the shell variables of some commands are to hold. */
  values(commands: readonly Pick<Command, 'variables'>[]): Promise<Values>;
  /** A text without the secrets that were opened so far: short ones by this activity, others by any of this worker. */
  readonly redact: (text: string) => string;
}

/** By which key of the cluster a host is to let us in. */
interface Keyed {
  readonly key: string;
  readonly bastions?: Bastions | undefined;
  readonly sudo?: boolean;
}

/** Characters. A value that is shorter may be a word that others use. */
const LONG = 8;

/** Opens secrets by name. `entries` is the worker's allowlist; `guessing` fills what is missing with what nothing equals. */
export function createSecrets(vault: Vault, entries: Readonly<Record<string, string>>) {
  // What runs on a host may show what another step has put there.
  const all = new Redaction();
  return (sealed: Sealed, { guessing = false } = {}): Secrets => {
    const opened = new Map<string, Promise<string>>();
    const own = new Redaction();

    async function unseal(name: string): Promise<string> {
      const text = sealed[name];
      if (text === undefined && guessing) return randomBytes(16).toString('hex');
      if (text === undefined) throw failure('InvalidArguments', `the secret ${name} did not come along`);
      const [where, entry] = [whereaboutsOf(text), entryOf(text)];
      if (where !== undefined) throw notGiven(name, where);
      if (entry === undefined)
        return vault
          .open(text)
          .catch(() => Promise.reject(failure('InvalidArguments', `${name} was sealed for other workers`, FOREIGN)));
      const value = entries[entry];
      if (value === undefined) {
        const hint = 'Name it in the file that FARWEAVE_WORKER_SECRETS points to, and restart the worker.';
        throw failure('InvalidArguments', `this worker has no entry ${entry} for ${name}`, { hint });
      }
      return value;
    }

    async function secret(name: string): Promise<string> {
      const value = opened.get(name) ?? unseal(name);
      opened.set(name, value);
      const plain = await value;
      // The key for digests goes nowhere.
      if (name !== DIGEST_KEY) (plain.length >= LONG ? all : own).add(plain);
      return plain;
    }

    async function valueOf(variable: Variable): Promise<string> {
      if ('secret' in variable) return encoded(await secret(variable.secret), variable);
      return keyedHash(await secret(DIGEST_KEY), await plain(variable.digest));
    }

    async function plain(content: Text): Promise<string> {
      const parts = content.map((part) => (typeof part === 'string' ? Promise.resolve(part) : valueOf(part)));
      return (await Promise.all(parts)).join('');
    }

    async function credentials(access: Omit<HostSpec['access'], 'key'>): Promise<Pick<Target, keyof typeof access>> {
      const entries = Object.entries(access).map(async ([field, of]) => [field, await secret(of)] as const);
      return Object.fromEntries(await Promise.all(entries));
    }

    /** How to get to a host, without what it takes to be let in there. */
    async function way(host: HostSpec, facts: Facts, bastions: Bastions = {}): Promise<Target> {
      const passed = wayTo(host, bastions);
      const { via: missing } = passed.at(-1) ?? host;
      if (missing !== undefined) throw failure('InvalidArguments', `the bastion ${missing} did not come along`);
      let via: Target | undefined;
      for (const { agent, access, ...bastion } of passed.toReversed())
        via = {
          ...machine(bastion, facts[BASTION_KEY]),
          bastion: true,
          ...(agent && { agent }),
          ...(await credentials(access)),
          ...(via && { via }),
        };
      const shared = [
        { of: `site ${host.site}`, limits: host.limits },
        ...passed.map(({ name, limits }) => ({ of: `bastion ${name}`, limits })),
      ];
      const shares = shared.flatMap(({ of, limits }) => (limits ? [{ of, ...limits }] : []));
      return {
        ...machine(host, facts[HOST_KEY]),
        ...(host.become && { become: host.become }),
        ...(via && { via }),
        ...(shares.length > 0 && { shares }),
      };
    }

    return {
      async target(host, facts, bastions) {
        const { key: _, ...access } = host.access;
        return {
          ...(await way(host, facts, bastions)),
          ...(host.agent && { agent: true }),
          ...(await credentials(access)),
        };
      },
      keys({ name, access }, facts) {
        const likely = [facts[ACCESS_KEY]?.[name], access.key].filter((key) => key !== undefined && key in sealed);
        const others = Object.keys(sealed).filter(isAccessKey).toReversed();
        return [...new Set([...likely, ...others])] as readonly string[];
      },
      async keyed(host, facts, { key, bastions, sudo = facts[ACCESS_SUDO]?.[host.name] === 'asks' }) {
        const password = sudo ? sudoPasswordOf(host) : undefined;
        return {
          ...(await way(host, facts, bastions)),
          privateKey: await secret(key),
          ...(password !== undefined && { sudoPassword: await secret(password) }),
        };
      },
      async values(commands) {
        const variables = Object.entries(Object.assign({}, ...commands.map((command) => command.variables ?? {})));
        const filled = variables.map(async ([name, of]) => [name, await valueOf(of as Variable)] as const);
        return Object.fromEntries(await Promise.all(filled));
      },
      redact: (text) => own.hide(all.hide(text)),
    };
  };
}

export const FOREIGN = {
  hint: 'Seal it for these workers (farweave secrets seal; FARWEAVE_RECIPIENT must be theirs) and apply again. What was generated needs the identity that it was sealed for.',
};

/** A machine without its credentials. `keys`: those that are known. */
function machine(
  { name, address, port, user, hostKey }: Pick<HostSpec, 'name' | 'address' | 'port' | 'user' | 'hostKey'>,
  keys: Facts[string] = {},
): Target {
  const pinned = hostKey ?? keys[name];
  return { name, address, port, user, ...(pinned !== undefined && { hostKey: pinned }) };
}

function notGiven(name: string, where: string) {
  return failure('AuthenticationFailed', `${name} was not given`, {
    hint: `It comes from ${where}: apply again with it.`,
  });
}

/** Of what is no key, which is only ever guessed, there is no half that anybody has. */
function encoded(value: string, { encoding }: Secret): string {
  return encoding === 'public' ? (publicHalf(value) ?? 'none') : ENCODE[encoding](value);
}

const ENCODE: Readonly<Record<Exclude<Encoding, 'public'>, (value: string) => string>> = {
  raw: (value) => value,
  json: (value) => JSON.stringify(value).slice(1, -1),
  uri: encodeURIComponent,
};

function keyedHash(secret: string, content: string): string {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'farweave label digest', 32));
  return createHmac('sha256', key).update(content).digest('hex').slice(0, 32);
}
