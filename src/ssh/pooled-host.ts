import { ask } from './ask.ts';
import type { Command, Output } from './command.ts';
import { ChannelRefused, type Link, openLink } from './connection.ts';
import type { JobOptions } from './conversation.ts';
import { AuthenticationFailed, Cancelled, Detached, isLoss, TimedOut, Unreachable } from './errors.ts';
import type { Host, Job, Target, Values, Watch } from './host.ts';
import { runJob } from './remote-job.ts';
import { openRootShell, type RootShell, unlessAborted } from './root-shell.ts';

/** Times in milliseconds. */
export interface PoolOptions extends Partial<JobOptions> {
  /** For a login, from the first packet on. Default 20 s. */
  readonly readyTimeout?: number;
  /** Between signs of life; a link that leaves out three is dead. Default 5 s. */
  readonly keepalive?: number;
  /** Without work, until a host's connection is closed. Default 5 min. */
  readonly idle?: number;
  /** Channels a connection, below sshd's MaxSessions (10 by default); then another connection is opened. Default 8. */
  readonly channels?: number;
  /** Connections a host; then work queues. Default 4. */
  readonly links?: number;
}

/** One machine under one set of credentials: its connections, and the channels on them. */
export class PooledHost implements Host {
  readonly #target: Target;
  readonly #settings: Required<PoolOptions>;
  readonly #closing: AbortSignal;
  /** Connections with the channels they have open and may have. */
  readonly #links = new Map<Link, { used: number; room: number }>();
  #opening: Promise<void> | undefined;
  #hostKey: string | undefined;
  /** The first shell goes alone: a refused password must not be tried by several at once. */
  #proof: Promise<unknown> | undefined;
  #proven = false;
  /** Opened ahead, so that what comes next costs one round trip instead of up to four. */
  #spare: Promise<RootShell | AuthenticationFailed | undefined> | undefined;
  #queue: (() => void)[] = [];
  #working = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(target: Target, settings: Required<PoolOptions>, closing: AbortSignal) {
    this.#target = target;
    this.#settings = settings;
    this.#closing = closing;
  }

  get hostKey(): string {
    return this.#hostKey ?? '';
  }

  /** There is a connection that works, as far as we know. */
  async ready(): Promise<void> {
    if (this.#closing.aborted) throw new Detached(this.#target, 'the connection pool is closed');
    // The key is held while somebody works there; a caller who comes without a pin meets the host anew.
    if (this.#links.size === 0 && this.#working === 0) this.#hostKey = undefined;
    if (this.#links.size === 0) await this.#open();
    if (this.#working === 0) this.#rest();
    this.#warm();
  }

  async ask(
    questions: readonly Command[],
    values: Values,
    { timeout = 60_000, cancel }: { timeout?: number; cancel?: AbortSignal } = {},
  ): Promise<readonly Output[]> {
    if (questions.length === 0) return [];
    const until = Date.now() + timeout;
    const once = async () => {
      const signal = AbortSignal.any([
        AbortSignal.timeout(Math.max(0, until - Date.now())),
        ...(cancel ? [cancel] : []),
      ]);
      const shell = await unlessAborted(this.shell(), signal).catch((error: unknown) => {
        if (cancel?.aborted) throw new Cancelled(this.#target, 'the questions were cancelled');
        throw signal.aborted ? new TimedOut(this.#target, `not connected within ${timeout} ms`) : error;
      });
      return ask(shell, this.#target, questions, values, { timeout: until - Date.now(), ...(cancel && { cancel }) });
    };
    return this.#work(async () => {
      try {
        return await once();
      } catch (error) {
        // A pooled link may have died unnoticed, and asking changes nothing: once more, over a new one.
        if (!isLoss(error)) throw error;
        return once();
      }
    });
  }

  async run(job: Job, watch: Watch = {}): Promise<Output> {
    const detach = AbortSignal.any([this.#closing, ...(watch.detach ? [watch.detach] : [])]);
    return this.#work(() => runJob(() => this.shell(), this.#target, job, { ...watch, detach }, this.#settings));
  }

  /** A root shell for one program, opened ahead if we are lucky. */
  async shell(): Promise<RootShell> {
    const spare = this.#spare;
    this.#spare = undefined;
    const ahead = await spare;
    if (ahead instanceof AuthenticationFailed) throw ahead;
    const shell = ahead?.alive ? ahead : await this.#proveThenOpen();
    this.#warm();
    return shell;
  }

  #warm(): void {
    const roomy = [...this.#links.values()].some(({ used, room }) => used + 1 < room);
    if (this.#spare || !roomy || this.#closing.aborted) return;
    this.#spare = this.#proveThenOpen().catch((error: unknown) =>
      error instanceof AuthenticationFailed ? error : undefined,
    );
  }

  async #proveThenOpen(): Promise<RootShell> {
    while (!this.#proven && this.#proof) {
      const failed: unknown = await this.#proof;
      if (failed instanceof AuthenticationFailed) throw failed;
    }
    const opening = this.#openShell();
    if (!this.#proven) {
      this.#proof = opening.then(
        () => {
          this.#proven = true;
          this.#proof = undefined;
        },
        (error: unknown) => {
          this.#proof = undefined;
          return error;
        },
      );
    }
    return opening;
  }

  async #openShell(): Promise<RootShell> {
    for (;;) {
      if (this.#closing.aborted) throw new Detached(this.#target, 'the connection pool is closed');
      const free = [...this.#links].find(([, { used, room }]) => used < room);
      if (free) {
        const [link, slots] = free;
        slots.used += 1;
        const release = () => {
          slots.used -= 1;
          this.#next();
        };
        try {
          const shell = await openRootShell(link, this.#target);
          void shell.ended.then(release);
          return shell;
        } catch (error) {
          release();
          if (!(error instanceof ChannelRefused)) throw error;
          // This sshd allows fewer than we thought; with none open it allows none at all.
          slots.room = slots.used;
          if (slots.room === 0) throw new Unreachable(this.#target, 'lets us log in but open no session', error);
        }
      } else if (this.#links.size < this.#settings.links) await this.#open();
      else await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
  }

  /** One more connection; who needs one at the same moment shares it. */
  async #open(): Promise<void> {
    this.#opening ??= this.#handshake().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #handshake(): Promise<void> {
    // The key shown first holds for all that follow, pinned or not.
    const pin = this.#target.hostKey ?? this.#hostKey;
    const link = await openLink({ ...this.#target, ...(pin !== undefined && { hostKey: pin }) }, this.#settings);
    if (this.#closing.aborted) {
      link.end();
      throw new Detached(this.#target, 'the connection pool is closed');
    }
    this.#hostKey = link.hostKey;
    this.#links.set(link, { used: 0, room: this.#settings.channels });
    link.onBroken(() => {
      this.#links.delete(link);
      this.#next();
    });
  }

  #next(): void {
    for (const waiting of this.#queue.splice(0)) waiting();
  }

  async #work<Result>(work: () => Promise<Result>): Promise<Result> {
    clearTimeout(this.#idle);
    this.#working += 1;
    try {
      return await work();
    } finally {
      this.#working -= 1;
      if (this.#working === 0) this.#rest();
    }
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.end(), this.#settings.idle).unref();
  }

  /** Closes all connections; the next call opens one again. */
  end(): void {
    clearTimeout(this.#idle);
    this.#spare = undefined;
    for (const link of this.#links.keys()) link.end();
    this.#links.clear();
    this.#next();
  }
}
