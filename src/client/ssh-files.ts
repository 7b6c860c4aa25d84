import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

/** Where the files of somebody who uses ssh are. */
export interface Home {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of the cluster file. */
  readonly directory: string;
}

/** What cannot be understood of such a file, as a sentence. */
export class SshFileError extends Error {}

/** How ssh would reach a machine. What is only its default is left out. */
export interface Reached {
  readonly address: string;
  readonly user?: string;
  /** Also where it is nothing but the name of who runs ssh. */
  readonly anyUser: string;
  readonly port?: number;
  readonly identity?: string;
  /** Bastions in the order in which they are gone through. */
  readonly jumps: readonly string[];
  /** The file says something of it. */
  readonly isKnown: boolean;
}

/** `file` as it is named in a cluster file, or its usual place. Throws SshFileError where it is not there. */
export async function placeOf(given: string | true, usual: string, { env, directory }: Home): Promise<string> {
  const home = env['HOME'] || homedir();
  const path = given === true ? resolve(home, usual) : resolve(directory, given.replace(/^~(?=\/|$)/, home));
  if (await stat(path).catch(() => undefined)) return path;
  throw new SshFileError(`there is no file ${path}`);
}

/**
 * Asks ssh itself (`ssh -G`): it alone knows what Include, Match and patterns come to. Contacts nobody; runs what `Match exec`
 * of the file says, as ssh does.
 */
export function sshConfig(file: string, { env }: Pick<Home, 'env'>) {
  const ask = async (config: string, name: string, user?: string) => {
    const login = user === undefined ? [] : ['-l', user];
    const { stdout } = await program('ssh', ['-G', '-F', config, ...login, '--', name], env);
    return settingsIn(stdout);
  };
  const defaults = ask('/dev/null', 'nobody');
  const asked = new Map<string, Promise<Reached>>();
  return (name: string, user?: string): Promise<Reached> => {
    const id = JSON.stringify([name, user]);
    const answer = asked.get(id) ?? reach(name, user);
    asked.set(id, answer);
    return answer;
  };

  async function reach(name: string, user: string | undefined): Promise<Reached> {
    const [given, usual] = await Promise.all([ask(file, name, user), defaults]);
    const one = (key: string) => (given[key]?.[0] === usual[key]?.[0] ? undefined : given[key]?.[0]);
    if (one('proxycommand'))
      throw new SshFileError(
        `goes by ProxyCommand (${one('proxycommand')}), which only ssh can: name its bastion under bastions, and via here`,
      );
    const address = given['hostname']?.[0] ?? name;
    const jumps = one('proxyjump');
    const identities = given['identityfile'] ?? [];
    const identity = identities.join() === usual['identityfile']?.join() ? undefined : identities[0];
    const named = user === undefined ? one('user') : undefined;
    const port = one('port');
    return {
      address,
      anyUser: given['user']?.[0] ?? 'root',
      jumps: jumps === undefined || jumps === 'none' ? [] : jumps.split(','),
      isKnown: address !== name || [named, port, identity, jumps].some((each) => each !== undefined),
      ...(named !== undefined && { user: named }),
      ...(port !== undefined && { port: Number(port) }),
      ...(identity !== undefined && { identity }),
    };
  }
}

/** Best first: a host with several is asked for them in this order. */
const KINDS = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa'];

/**
 * The fingerprint (`SHA256:…`) of the key that known_hosts has for a machine. `ssh-keygen -F` knows hashed names, patterns and
 * ports. Throws SshFileError where all its keys are revoked.
 */
export async function knownKey(
  file: string,
  { address, port }: { readonly address: string; readonly port: number },
  { env }: Pick<Home, 'env'>,
): Promise<string | undefined> {
  const name = port === 22 ? address : `[${address}]:${port}`;
  const { stdout } = await program('ssh-keygen', ['-F', name, '-f', file], env, [1]);
  const entries = stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => /^(?:@(\S+)\s+)?\S+\s+(\S+)\s+(\S+)/.exec(line) ?? [])
    .map(([, marker, kind = '', key = '']) => ({ marker, kind, key }));
  const revoked = entries.filter(({ marker }) => marker === 'revoked').map(({ key }) => key);
  const good = entries
    .filter(({ marker, kind, key }) => marker === undefined && KINDS.includes(kind) && !revoked.includes(key))
    .toSorted((one, other) => KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind));
  if (good[0]) return fingerprintOf(good[0].key);
  if (revoked.length === 0) return undefined;
  throw new SshFileError(
    `${file} revokes the key ${fingerprintOf(revoked[0] ?? '')} of ${name} and has no other: say the right one as hostKey`,
  );
}

const fingerprintOf = (key: string) =>
  `SHA256:${createHash('sha256').update(Buffer.from(key, 'base64')).digest('base64').replace(/=+$/, '')}`;

function settingsIn(text: string): Readonly<Record<string, readonly string[] | undefined>> {
  const lines = text.split('\n').flatMap((line) => {
    const at = line.indexOf(' ');
    return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
  });
  return Object.fromEntries(
    [...Map.groupBy(lines, ([key]) => key)].map(([key, all]) => [key, all.map(([, value]) => value)]),
  );
}

/** `fine`: exit codes that are answers. */
async function program(name: string, args: readonly string[], env: Home['env'], fine: readonly number[] = []) {
  try {
    return await promisify(execFile)(name, args, { env, timeout: 30_000 });
  } catch (error) {
    const { code, stderr, stdout } = error as { code?: string | number; stderr?: string; stdout?: string };
    if (typeof code === 'number' && fine.includes(code)) return { stdout: stdout ?? '', stderr };
    if (code === 'ENOENT') throw new SshFileError(`wants the program ${name} of OpenSSH on this machine`);
    throw new SshFileError(`${name} says: ${stderr?.trim().split('\n').at(-1) || String(error)}`);
  }
}
