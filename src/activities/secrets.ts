import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import {
  BASTION_KEY,
  type BastionSpec,
  type Bastions,
  DIGEST_KEY,
  type Facts,
  HOST_KEY,
  type HostSpec,
} from '../plan/plan.ts';
import { wayTo } from '../plan/way.ts';
import type { Command, Encoding, Text, Variable } from '../ssh/command.ts';
import type { Target, Values } from '../ssh/host.ts';
import type { GenerateSecrets, Reseal, Sealed } from './contract.ts';
import { failure } from './failures.ts';
import { Redaction } from './redaction.ts';
import { random, type Vault } from './vault.ts';

/** In place of a ciphertext: an entry of the worker's own allowlist. */
const WORKER = 'worker:';

/** The secrets of one activity, opened as they are needed. */
export interface Secrets {
  /** How to reach the host, by which bastions, and the keys they must show. */
  target(host: HostSpec, facts: Facts, bastions?: Bastions): Promise<Target>;
  /** What the shell variables of some commands are to hold. */
  values(commands: readonly Pick<Command, 'variables'>[]): Promise<Values>;
  /** A text without the secrets that were opened so far: short ones by this activity, others by any of this worker. */
  readonly redact: (text: string) => string;
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
      // The key for digests goes nowhere.
      if (name !== DIGEST_KEY) (plain.length >= LONG ? all : own).add(plain);
      return plain;
    }

    async function valueOf(variable: Variable): Promise<string> {
      if ('secret' in variable) return ENCODE[variable.encoding](await secret(variable.secret));
      return keyedHash(await secret(DIGEST_KEY), await plain(variable.digest));
    }

    async function plain(content: Text): Promise<string> {
      const parts = content.map((part) => (typeof part === 'string' ? Promise.resolve(part) : valueOf(part)));
      return (await Promise.all(parts)).join('');
    }

    /** A machine with the values of what it takes to log in there. `keys`: those that are known. */
    async function machine(
      { name, address, port, user, agent, become, access, hostKey }: Pick<HostSpec, 'name' | 'become'> & BastionSpec,
      keys: Facts[string] = {},
    ): Promise<Target> {
      const pinned = hostKey ?? keys[name];
      const entries = Object.entries(access).map(async ([field, of]) => [field, await secret(of)] as const);
      return {
        name,
        address,
        port,
        user,
        ...(agent && { agent }),
        ...(become && { become }),
        ...(Object.fromEntries(await Promise.all(entries)) as Pick<Target, keyof HostSpec['access']>),
        ...(pinned !== undefined && { hostKey: pinned }),
      };
    }

    return {
      async target(host, facts, bastions = {}) {
        const way = wayTo(host, bastions);
        const { via: missing } = way.at(-1) ?? host;
        if (missing !== undefined) throw failure('InvalidArguments', `the bastion ${missing} did not come along`);
        let via: Target | undefined;
        for (const bastion of way.toReversed())
          via = { ...(await machine(bastion, facts[BASTION_KEY])), bastion: true, ...(via && { via }) };
        const shared = [
          { of: `site ${host.site}`, limits: host.limits },
          ...way.map(({ name, limits }) => ({ of: `bastion ${name}`, limits })),
        ];
        const shares = shared.flatMap(({ of, limits }) => (limits ? [{ of, ...limits }] : []));
        return {
          ...(await machine(host, facts[HOST_KEY])),
          ...(via && { via }),
          ...(shares.length > 0 && { shares }),
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

/** `secrets.generate`: made and sealed in one go, so that no value leaves the worker. */
export function createGenerate(vault: Vault): GenerateSecrets {
  return async ({ secrets, open = {} }) => {
    const opened = Object.entries(open).map(async ([name, text]) => [name, await isOurs(vault, text)] as const);
    const foreign = (await Promise.all(opened)).flatMap(([name, isOpen]) => (isOpen ? [] : [name]));
    if (foreign.length > 0)
      throw failure(
        'InvalidArguments',
        `${foreign.join(', ')}: sealed for other workers than these, or damaged`,
        FOREIGN,
      );
    const sealed = Object.entries(secrets).map(async ([name, how]) => [name, await vault.seal(random(how))] as const);
    return Object.fromEntries(await Promise.all(sealed));
  };
}

/** `secrets.reseal`: opened and sealed in one go, so that no value leaves the worker. */
export function createReseal(vault: Vault): Reseal {
  return async ({ sealed }) => {
    const entries = Object.entries(sealed).filter(([, text]) => !text.startsWith(WORKER));
    const anew = entries.map(async ([name, text]) => [name, await vault.reseal(text).catch(() => undefined)] as const);
    const done = await Promise.all(anew);
    return {
      recipient: await vault.recipientNow(),
      sealed: Object.fromEntries(
        done.flatMap(([name, text]) => (text === undefined || text === sealed[name] ? [] : [[name, text] as const])),
      ),
      lost: done.flatMap(([name, text]) => (text === undefined ? [name] : [])),
    };
  };
}

const isOurs = (vault: Vault, text: string) =>
  vault.open(text).then(
    () => true,
    () => false,
  );

const FOREIGN = {
  hint: 'Seal it for these workers (farweave secrets seal; FARWEAVE_RECIPIENT must be theirs) and apply again. What was generated needs the identity that it was sealed for.',
};

const ENCODE: Readonly<Record<Encoding, (value: string) => string>> = {
  raw: (value) => value,
  json: (value) => JSON.stringify(value).slice(1, -1),
  uri: encodeURIComponent,
};

function keyedHash(secret: string, content: string): string {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'farweave label digest', 32));
  return createHmac('sha256', key).update(content).digest('hex').slice(0, 32);
}
