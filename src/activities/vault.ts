import { randomInt } from 'node:crypto';
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';

/** Opens what was sealed for the workers of this installation. */
export interface Vault {
  /** `age1…`: clients seal for it. */
  readonly recipient: string;
  seal(value: string): Promise<string>;
  /** Rejects if the text was sealed for somebody else. */
  open(sealed: string): Promise<string>;
}

/** Encrypts for the workers: base64 of an age file. */
export async function seal(recipient: string, value: string): Promise<string> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  return Buffer.from(await encrypter.encrypt(value)).toString('base64');
}

/** The vault of a state folder. Its identity is made on first use, in `identity` (0600); the recipient stands in `recipient`. */
export async function openVault(state: string): Promise<Vault> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  const identity = await identityIn(join(state, 'identity'));
  const recipient = await identityToRecipient(identity);
  await writeFile(join(state, 'recipient'), `${recipient}\n`);
  return {
    recipient,
    seal: (value) => seal(recipient, value),
    open: remembering(OPENED, openerOf(identity)),
  };
}

/** An identity that nobody has yet, with its recipient: for what is to leave this installation. */
export async function newIdentity(): Promise<{ readonly identity: string; readonly recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** The identity in a state folder, if there is one: unlike a vault, to ask for it makes none. */
export async function identityOf(state: string): Promise<string | undefined> {
  return (await readFile(join(state, 'identity'), 'utf8').catch(ignoreMissing))?.trim();
}

/** Opens what was sealed for an identity (`AGE-SECRET-KEY-…`). Rejects if it was sealed for another. */
export function openerOf(identity: string): (sealed: string) => Promise<string> {
  return async (sealed) => {
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
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

/** Two workers may start at once: the file appears whole, by link, and who comes second takes the first one's. */
async function identityIn(path: string): Promise<string> {
  const read = async () => (await readFile(path, 'utf8')).trim();
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
