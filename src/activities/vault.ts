import { randomInt } from 'node:crypto';
import { chmod, link, mkdir, open as openFile, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import type { SecretValue } from '../roles/secret.ts';

/** Opens what was sealed for the workers of this installation. */
export interface Vault {
  /** `age1…`: clients sealed for it when the worker began. */
  readonly recipient: string;
  /** For whom it seals by now. */
  recipientNow(): Promise<string>;
  seal(value: string): Promise<string>;
  /** Rejects if the text was sealed for somebody else. */
  open(sealed: string): Promise<string>;
  /** Sealed for the identity of by now: the same text where it is already. Rejects as `open` does. */
  reseal(sealed: string): Promise<string>;
}

/** Encrypts for the workers: base64 of an age file that each of the recipients can open. What is sealed already stays as it is. */
export async function seal(recipients: string | readonly string[], value: SecretValue): Promise<string> {
  if (typeof value === 'object') return value.age;
  const encrypter = new Encrypter();
  for (const recipient of [recipients].flat()) encrypter.addRecipient(recipient);
  return Buffer.from(await encrypter.encrypt(value)).toString('base64');
}

/**
 * The vault of a state folder. Its identity is made on first use, in `identity` (0600); the recipient stands in `recipient`.
 * While identities change (`rotateIdentity`) it seals for the new one and opens what was sealed for either, without a restart.
 */
export async function openVault(state: string): Promise<Vault> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  const path = join(state, 'identity');
  let known = await identityIn(path);
  const recipient = await publish(state, known);
  const recipientNow = async () => recipientOf(await readFile(path, 'utf8'));
  return {
    recipient,
    recipientNow,
    seal: async (value) => seal(await recipientNow(), value),
    reseal: async (sealed) => {
      const now = await readFile(path, 'utf8');
      const isCurrent = await openerOf(currentOf(now))(sealed).then(
        () => true,
        () => false,
      );
      return isCurrent ? sealed : seal(await recipientOf(now), await openerOf(now)(sealed));
    },
    open: remembering(OPENED, async (sealed) => {
      const tried = known;
      try {
        return await openerOf(tried)(sealed);
      } catch (error) {
        known = await readFile(path, 'utf8');
        if (known === tried) throw error;
        return await openerOf(known)(sealed);
      }
    }),
  };
}

/** Makes an identity in a file of its own, as age-keygen does, and gives its recipient. Rejects (EEXIST) where there is a file. */
export async function keygen(path: string): Promise<string> {
  const { identity, recipient } = await newIdentity();
  const text = `# public key: ${recipient}\n${identity}\n`;
  await writeFile(path, text, { mode: 0o600, flag: 'wx', flush: true });
  return recipient;
}

/**
 * Puts a new identity before the ones that a state folder has. One that has several is in the middle of that: then the first
 * of them is the new one already. The file is replaced whole, so that none is ever missing. Gives the recipient.
 */
export async function rotateIdentity(state: string): Promise<string> {
  const path = join(state, 'identity');
  const before = await readFile(path, 'utf8');
  if (keysIn(before).length === 1) await replace(path, `${(await newIdentity()).identity}\n${before.trim()}\n`);
  return await publish(state, await readFile(path, 'utf8'));
}

/** Workers open no more what was sealed for a former identity. Those go into `identity.former`, for whoever still needs them. */
export async function retireIdentities(state: string): Promise<void> {
  const path = join(state, 'identity');
  const [current = '', ...former] = keysIn(await readFile(path, 'utf8'));
  if (former.length === 0) return;
  const archive = join(state, 'identity.former');
  const kept = keysIn((await readFile(archive, 'utf8').catch(ignoreMissing)) ?? '');
  await replace(archive, `${[...new Set([...former, ...kept])].join('\n')}\n`);
  await replace(path, `${current}\n`);
}

/** An identity that nobody has yet, with its recipient: for what is to leave this installation. */
export async function newIdentity(): Promise<{ readonly identity: string; readonly recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** What a state folder opens secrets with, if there is anything: unlike a vault, to ask for it makes none. */
export async function identityOf(state: string): Promise<string | undefined> {
  return (await readFile(join(state, 'identity'), 'utf8').catch(ignoreMissing))?.trim();
}

/** The identity that is sealed for, of those that such a text holds. */
export const currentOf = (identities: string): string => keysIn(identities)[0] ?? '';

/** Opens what was sealed for one of the identities in a text (`AGE-SECRET-KEY-…`, a line each). Rejects if it was sealed for another. */
export function openerOf(identities: string): (sealed: string) => Promise<string> {
  return async (sealed) => {
    const decrypter = new Decrypter();
    for (const identity of keysIn(identities)) decrypter.addIdentity(identity);
    return decrypter.decrypt(Buffer.from(sealed, 'base64'), 'text');
  };
}

/** An age file that a passphrase opens, here or with `age --decrypt`. Takes a second, so that nobody tries many. */
export async function lock(passphrase: string, content: string): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  return encrypter.encrypt(content);
}

/** What is in such a file. Rejects if the passphrase is another one. */
export async function unlock(passphrase: string, file: Uint8Array): Promise<string> {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  return decrypter.decrypt(file, 'text');
}

/** Opening takes some 5 ms of the worker's one thread, and every activity needs the same few secrets. */
const OPENED = 1_000;

/** What has been answered is not worked out again. Forgets the oldest beyond `limit`, and what was rejected. */
function remembering(limit: number, act: (input: string) => Promise<string>): (input: string) => Promise<string> {
  const known = new Map<string, Promise<string>>();
  return (input) => {
    const answer = known.get(input) ?? act(input);
    known.set(input, answer);
    answer.catch(() => known.delete(input));
    const [oldest] = known.keys();
    if (known.size > limit && oldest !== undefined) known.delete(oldest);
    return answer;
  };
}

const ALPHABETS = {
  alphanumeric: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
  base64: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
};

/** A random text of `length` characters. */
export function random({ length, alphabet }: { length: number; alphabet: keyof typeof ALPHABETS }): string {
  const letters = ALPHABETS[alphabet];
  return Array.from({ length }, () => letters[randomInt(letters.length)]).join('');
}

/** Lines that are no comments. */
function keysIn(identities: string): readonly string[] {
  return identities.split('\n').flatMap((line) => (/^\s*(#|$)/.test(line) ? [] : [line.trim()]));
}

const recipientOf = (identities: string) => identityToRecipient(currentOf(identities));

/** Clients seal for what stands there. */
async function publish(state: string, identities: string): Promise<string> {
  const recipient = await recipientOf(identities);
  await writeFile(join(state, 'recipient'), `${recipient}\n`);
  return recipient;
}

/** Whole, and on the disk before anything relies on it. */
async function replace(path: string, content: string): Promise<void> {
  const next = `${path}.${process.pid}.new`;
  await writeFile(next, content, { mode: 0o600, flush: true });
  await rename(next, path);
  const folder = await openFile(dirname(path));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Two workers may start at once: the file appears whole, by link, and who comes second takes the first one's. */
async function identityIn(path: string): Promise<string> {
  const read = () => readFile(path, 'utf8');
  const existing = await read().catch(ignoreMissing);
  if (existing !== undefined) {
    await chmod(path, 0o600);
    return existing;
  }
  const mine = `${path}.${process.pid}.${randomInt(2 ** 32)}`;
  await writeFile(mine, `${await generateX25519Identity()}\n`, { mode: 0o600, flag: 'wx' });
  await link(mine, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(mine);
  return read();
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
