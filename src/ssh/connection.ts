import { createHash } from 'node:crypto';
import ssh2, { type AuthenticationType, type ClientChannel, type ConnectConfig } from 'ssh2';
import { AuthenticationFailed, HostKeyChanged, LinkLost, type SshError, Unreachable } from './errors.ts';
import type { Target } from './host.ts';
import { classify, expired, refused } from './login-failure.ts';

export type Channel = ClientChannel;

export interface LinkOptions {
  /** Milliseconds from the first packet to the end of the login. */
  readonly readyTimeout: number;
  /** Milliseconds between signs of life; a link that leaves out three in a row is dead. */
  readonly keepalive: number;
}

/** Makes and reads keys. */
export const keyTools = ssh2.utils;

/** The machine has no room for another channel on this link. */
export class ChannelRefused extends Error {}

/** Ed25519 first, so that a host with several keys always shows the same one. No SHA-1. */
const ED25519 = ['ssh-ed25519'] as const;
const ECDSA = ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'] as const;
const RSA = ['rsa-sha2-512', 'rsa-sha2-256'] as const;
type KeyKinds = readonly ((typeof ED25519)[number] | (typeof ECDSA)[number] | (typeof RSA)[number])[];

/**
 * Logs in. The machine's key is compared with `target.hostKey` before any credential is sent.
 * Rejects with Unreachable, HostKeyChanged or AuthenticationFailed.
 */
export async function openLink(target: Target, options: LinkOptions): Promise<Link> {
  try {
    return await handshake(target, options, [...ED25519, ...ECDSA, ...RSA]);
  } catch (error) {
    if (!(error instanceof HostKeyChanged)) throw error;
    // The pin may be of another kind of key than the one we prefer.
    for (const kinds of [ECDSA, RSA]) {
      const link = await handshake(target, options, kinds).catch((other: unknown) => {
        // It showed the key that is pinned, and then refused the login.
        if (other instanceof AuthenticationFailed) throw other;
        return undefined;
      });
      if (link) return link;
    }
    throw error;
  }
}

/** A connection that is logged in. Lives until it breaks or is ended. */
export class Link {
  readonly hostKey: string;
  /** Set as soon as the connection is gone. */
  broken: LinkLost | undefined;
  readonly #client: ssh2.Client;
  readonly #target: Target;
  readonly #listeners = new Set<(error: LinkLost) => void>();

  constructor(client: ssh2.Client, target: Target, hostKey: string) {
    this.#client = client;
    this.#target = target;
    this.hostKey = hostKey;
    let cause: unknown;
    client.on('error', (error) => {
      cause = error;
    });
    client.on('close', () => {
      this.broken = new LinkLost(
        target,
        `the connection broke${cause instanceof Error ? `: ${cause.message}` : ''}`,
        cause,
      );
      for (const listener of this.#listeners) listener(this.broken);
      this.#listeners.clear();
    });
  }

  /** Returns how to stop listening. */
  onBroken(listener: (error: LinkLost) => void): () => void {
    if (this.broken) listener(this.broken);
    else this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * `use` gets the channel before anything can have come over it: a command may end in the packet that confirms its start.
   * Rejects with LinkLost, or with ChannelRefused where sshd's MaxSessions is reached.
   */
  exec<Result>(command: string, use: (channel: Channel) => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      // ssh2 does not promise to call back when the connection goes.
      const forget = this.onBroken(reject);
      if (this.broken) return;
      try {
        this.#client.exec(command, (error, channel) => {
          forget();
          if (!error) resolve(use(channel));
          else if (this.broken) reject(this.broken);
          else if ('reason' in error) reject(new ChannelRefused(error.message));
          else reject(new LinkLost(this.#target, error.message, error));
        });
      } catch (error) {
        reject(new LinkLost(this.#target, 'the connection is closed', error));
      }
    });
  }

  end(): void {
    this.#client.end();
    // An end that nobody answers must not keep the process.
    setTimeout(() => this.#client.destroy(), 2_000).unref();
  }
}

function handshake(target: Target, options: LinkOptions, kinds: KeyKinds): Promise<Link> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    let shown = '';
    const fail = (error: SshError) => {
      reject(error);
      client.destroy();
    };
    const login = credentials(target, fail);
    client
      // Or Nagle's algorithm and the other side's delayed acknowledgement add 40 ms to what we say.
      .on('connect', () => client.setNoDelay(true))
      .on('ready', () => resolve(new Link(client, target, shown)))
      .on('error', (error) => fail(changed() ?? classify(target, error)))
      // It may close before it is ready without an error.
      .on('close', () =>
        fail(changed() ?? new Unreachable(target, 'closed the connection before the login was finished')),
      )
      .on('change password', () => fail(expired(target)));
    const changed = () =>
      shown && target.hostKey !== undefined && target.hostKey !== shown
        ? new HostKeyChanged(target, target.hostKey, shown)
        : undefined;
    const config: ConnectConfig = {
      host: target.address,
      port: target.port,
      username: target.user,
      readyTimeout: options.readyTimeout,
      keepaliveInterval: options.keepalive,
      keepaliveCountMax: 3,
      algorithms: { serverHostKey: [...kinds] },
      hostVerifier: (key: Buffer) => {
        shown = fingerprint(key);
        return changed() === undefined;
      },
      authHandler: login,
    };
    try {
      client.connect(config);
    } catch (error) {
      fail(classify(target, error));
    }
  });
}

/** `SHA256:…` as ssh-keygen shows it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/**
 * Says how to log in, method by method. The password is tried once: by `keyboard-interactive` only where the host does
 * not take it as `password`, since every refused attempt counts towards locking the account.
 */
function credentials(target: Target, fail: (error: SshError) => void): NonNullable<ConnectConfig['authHandler']> {
  const { user: username, password, privateKey, passphrase } = target;
  const untried = new Set<AuthenticationType>();
  if (privateKey !== undefined) untried.add('publickey');
  if (password !== undefined) untried.add('password').add('keyboard-interactive');
  let sent: AuthenticationType | undefined;
  return (left: readonly AuthenticationType[] | null, partial: boolean | null, next) => {
    const wrong = sent === 'password' && !partial && left?.includes('password');
    if (wrong) untried.delete('keyboard-interactive');
    sent = [...untried].find((method) => left === null || left.includes(method));
    if (sent === undefined) return fail(refused(target, left));
    untried.delete(sent);
    if (sent === 'publickey') {
      const key = ssh2.utils.parseKey(privateKey ?? '', passphrase);
      if (key instanceof Error || !privateKey) {
        return fail(
          new AuthenticationFailed(
            target,
            'the private key cannot be read',
            'Check the private key and its passphrase.',
            key,
          ),
        );
      }
      return next({ type: 'publickey', username, key: privateKey, ...(passphrase !== undefined && { passphrase }) });
    }
    if (sent === 'password') return next({ type: 'password', username, password: password ?? '' });
    let answered = false;
    return next({
      type: 'keyboard-interactive',
      username,
      prompt: (_name, _instructions, _language, prompts, finish) => {
        const asksForPassword = prompts.length === 1 && !prompts[0]?.echo && !answered;
        if (prompts.length > 0) answered = true;
        finish(asksForPassword ? [password ?? ''] : []);
      },
    });
  };
}
