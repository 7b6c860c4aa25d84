import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { ACCESS_KEY, ACCESS_SUDO, isAccessKey } from '../plan/access-key.ts';
import { DIGEST_KEY, type Facts, HOST_KEY, type HostSpec } from '../plan/plan.ts';
import { makeKey, publicHalf } from '../ssh/access-key.ts';
import type { Command, Encoding, Secret, Text, Variable } from '../ssh/command.ts';
import type { Target, Values } from '../ssh/host.ts';
import type { GenerateSecrets, Sealed } from './contract.ts';
import { failure } from './failures.ts';
import { random, type Vault } from './vault.ts';

/** In place of a ciphertext: an entry of the worker's own allowlist. */
const WORKER = 'worker:';
/** In place of a ciphertext: it was not given, and where it would come from. */
const ABSENT = 'absent:';

/** The secrets of one activity, opened as they are needed. */
export interface Secrets {
  /** How to reach the host with the credentials that were given, and the key it must show. */
  target(host: HostSpec, facts: Facts): Promise<Target>;
  /** The keys that were made for the cluster, by name: the one that is known to do at this host first, then the one that is to. */
  keys(host: HostSpec, facts: Facts): readonly string[];
  /** How to reach the host with one of them and, where sudo is known to ask, or told to, the password for that. */
  keyed(host: HostSpec, facts: Facts, key: string, options?: { readonly sudo?: boolean }): Promise<Target>;
  /** What the shell variables of some commands are to hold. */
  values(commands: readonly Pick<Command, 'variables'>[]): Promise<Values>;
  /** A text without the secrets opened so far. */
  readonly redact: (text: string) => string;
}

/** Opens secrets by name. `entries` is the worker's allowlist; `guessing` fills what is missing with what nothing equals. */
export function createSecrets(vault: Vault, entries: Readonly<Record<string, string>>) {
  return (sealed: Sealed, { guessing = false } = {}): Secrets => {
    const opened = new Map<string, Promise<string>>();
    const known = new Set<string>();

    async function unseal(name: string): Promise<string> {
      const text = sealed[name];
      if (text === undefined && guessing) return randomBytes(16).toString('hex');
      if (text === undefined) throw failure('InvalidArguments', `the secret ${name} did not come along`);
      if (text.startsWith(ABSENT)) throw absent(name, text.slice(ABSENT.length));
      if (!text.startsWith(WORKER))
        return vault
          .open(text)
          .catch(() => Promise.reject(failure('InvalidArguments', `${name} was sealed for other workers`, FOREIGN)));
      const entry = entries[text.slice(WORKER.length)];
      if (entry === undefined) {
        const hint = 'Name it in the file that FARWEAVE_WORKER_SECRETS points to, and restart the worker.';
        throw failure('InvalidArguments', `this worker has no entry ${text.slice(WORKER.length)} for ${name}`, {
          hint,
        });
      }
      return entry;
    }

    async function secret(name: string): Promise<string> {
      const value = opened.get(name) ?? unseal(name);
      opened.set(name, value);
      const plain = await value;
      // Shorter ones would tear ordinary words apart, and protect nothing.
      if (plain.length >= 4 && name !== DIGEST_KEY)
        for (const encode of Object.values(ENCODE)) known.add(encode(plain));
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

    return {
      async target(host, facts) {
        const { key: _, ...access } = host.access;
        const entries = Object.entries(access).map(async ([field, of]) => [field, await secret(of)] as const);
        const given = Object.fromEntries(await Promise.all(entries)) as Pick<Target, keyof typeof access>;
        return { ...placeOf(host, facts), ...given };
      },
      keys({ name, access }, facts) {
        const likely = [facts[ACCESS_KEY]?.[name], access.key].filter((key) => key !== undefined && key in sealed);
        const others = Object.keys(sealed).filter(isAccessKey).toReversed();
        return [...new Set([...likely, ...others])] as readonly string[];
      },
      async keyed(host, facts, key, { sudo = facts[ACCESS_SUDO]?.[host.name] === 'asks' } = {}) {
        const password = host.access.sudoPassword ?? host.access.password;
        const asked = sudo && password !== undefined && { sudoPassword: await secret(password) };
        return { ...placeOf(host, facts), privateKey: await secret(key), ...asked };
      },
      async values(commands) {
        const variables = Object.entries(Object.assign({}, ...commands.map((command) => command.variables ?? {})));
        const filled = variables.map(async ([name, of]) => [name, await valueOf(of as Variable)] as const);
        return Object.fromEntries(await Promise.all(filled));
      },
      redact: (text) =>
        [...known]
          .toSorted((a, b) => b.length - a.length)
          .reduce((shown, value) => shown.replaceAll(value, '***'), text),
    };
  };
}

/** `secrets.generate`: made and sealed in one go, so that no value leaves the worker. */
export function createGenerate(vault: Vault): GenerateSecrets {
  return async ({ secrets }) => {
    const sealed = Object.entries(secrets).map(async ([name, how]) => {
      return [name, await vault.seal('key' in how ? makeKey() : random(how))] as const;
    });
    return Object.fromEntries(await Promise.all(sealed));
  };
}

const FOREIGN = {
  hint: 'Seal for these workers (FARWEAVE_RECIPIENT) and apply again. What was generated needs the identity that it was sealed for.',
};

/** A host without its credentials. */
function placeOf({ name, address, port, user, hostKey }: HostSpec, facts: Facts): Target {
  const pinned = hostKey ?? facts[HOST_KEY]?.[name];
  return { name, address, port, user, ...(pinned !== undefined && { hostKey: pinned }) };
}

function absent(name: string, where: string) {
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
