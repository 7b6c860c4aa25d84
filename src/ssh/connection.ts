import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import ssh2, { type ClientChannel, type ConnectConfig } from 'ssh2';
import { credentials } from './credentials.ts';
import { AuthenticationFailed, HostKeyChanged, LinkLost, type SshError, Unreachable } from './errors.ts';
import type { Target } from './host.ts';
import { classify, expired } from './login-failure.ts';

export type Channel = ClientChannel;

export interface LinkOptions {
  /** Milliseconds from the first packet to the end of the login. */
  readonly readyTimeout: number;
  /** Milliseconds between signs of life; a link that leaves out three in a row is dead. */
  readonly keepalive: number;
  /** Path of the socket of the ssh agent, if there is one. */
  readonly agent?: string;
}

/** Makes and reads keys. */
export const keyTools = ssh2.utils;

/** A stream to a machine's sshd, where a connection of our own does not get there. */
export type Dial = () => Promise<Duplex>;

/** The machine opens no such channel on this link. */
export class ChannelRefused extends Error {
  /** Why, as RFC 4254 numbers it. */
  readonly reason: number;

  constructor(error: Error & { reason?: unknown }) {
    super(error.message.replace(/^\(SSH\) Channel open failure: /, ''));
    this.reason = Number(error.reason);
  }
}

/** Ed25519 first, so that a host with several keys always shows the same one. No SHA-1. */
const ED25519 = ['ssh-ed25519'] as const;
const ECDSA = ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'] as const;
const RSA = ['rsa-sha2-512', 'rsa-sha2-256'] as const;
type KeyKinds = readonly ((typeof ED25519)[number] | (typeof ECDSA)[number] | (typeof RSA)[number])[];

/**
 * Logs in. The machine's key is compared with `target.hostKey` before any credential is sent.
 * Rejects with Unreachable, HostKeyChanged or AuthenticationFailed.
 */
export async function openLink(target: Target, options: LinkOptions, dial?: Dial): Promise<Link> {
  const login = async (kinds: KeyKinds) => handshake(target, { ...options, kinds }, await dial?.());
  try {
    return await login([...ED25519, ...ECDSA, ...RSA]);
  } catch (error) {
    if (!(error instanceof HostKeyChanged)) throw error;
    // The pin may be of another kind of key than the one we prefer.
    for (const kinds of [ECDSA, RSA]) {
      const link = await login(kinds).catch((other: unknown) => {
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
    return this.#open((answer) => this.#client.exec(command, answer), use);
  }

  /** A stream to what this machine can reach. Rejects with LinkLost, or with ChannelRefused where it does not lead there. */
  stream({ address, port }: Pick<Target, 'address' | 'port'>): Promise<Channel> {
    return this.#open(
      (answer) => this.#client.forwardOut('127.0.0.1', 0, address, port, answer),
      (channel) => {
        // What is at its other end learns why it ends.
        const forget = this.onBroken((error) => channel.emit('error', error));
        // One that came too late has nobody at its other end.
        return channel.on('close', forget).on('error', () => {});
      },
    );
  }

  #open<Result>(
    ask: (answer: (error: Error | undefined, channel: Channel) => void) => void,
    use: (channel: Channel) => Result,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      // ssh2 does not promise to call back when the connection goes.
      const forget = this.onBroken(reject);
      if (this.broken) return;
      try {
        ask((error, channel) => {
          forget();
          if (!error) resolve(use(channel));
          else if (this.broken) reject(this.broken);
          else if ('reason' in error) reject(new ChannelRefused(error));
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

function handshake(
  target: Target,
  { readyTimeout, keepalive, agent, kinds }: LinkOptions & { readonly kinds: KeyKinds },
  sock: Duplex | undefined,
): Promise<Link> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    let shown = '';
    const fail = (error: SshError) => {
      reject(error);
      client.destroy();
    };
    const login = credentials(target, { agent, parseKey: ssh2.utils.parseKey, fail });
    client
      // Or Nagle's algorithm and the other side's delayed acknowledgement add 40 ms to what we say.
      .on('connect', () => client.setNoDelay(true))
      .on('ready', () => resolve(new Link(client, target, shown)))
      .on('error', (error) => {
        if (!login.goesOn(error)) fail(changed() ?? classify(target, error, login.tried));
      })
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
      ...(sock ? { sock } : { host: target.address, port: target.port }),
      username: target.user,
      readyTimeout,
      keepaliveInterval: keepalive,
      keepaliveCountMax: 3,
      algorithms: { serverHostKey: [...kinds] },
      hostVerifier: (key: Buffer) => {
        shown = fingerprint(key);
        return changed() === undefined;
      },
      authHandler: login.next,
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
