import { ask, inquire } from './ask.ts';
import type { Bastions } from './bastions.ts';
import type { Command, Output } from './command.ts';
import type { JobOptions } from './conversation.ts';
import { AuthenticationFailed, Cancelled, Detached, isLoss, Unreachable } from './errors.ts';
import { FirstAlone } from './first-alone.ts';
import type { AskOptions, Host, Job, Target, Values, Watch } from './host.ts';
import { Links, type LinksOptions, type Turns } from './links.ts';
import { hasShown } from './pins.ts';
import { runJob } from './remote-job.ts';
import { type RootShell, unlessAborted } from './root-shell.ts';

export interface HostOptions extends LinksOptions, JobOptions {
  /** Milliseconds without work, until the connections are closed. */
  readonly idle: number;
  /** Machines with connections that nobody needs at the moment. Those of others are closed at once: each takes memory. */
  readonly resting: number;
}

/** One machine under one set of credentials. */
export class PooledHost implements Host {
  #target: Target;
  readonly #settings: HostOptions;
  readonly #closing: AbortSignal;
  readonly #links: Links;
  readonly #bastions: Bastions;
  readonly #first = new FirstAlone();
  /** Opened with the connection, so that what comes first costs one round trip instead of up to four. */
  #spare: Promise<RootShell | AuthenticationFailed | undefined> | undefined;
  /** Free after a question or a job. Most hosts are never asked two things at once, and need no other. */
  #kept: RootShell[] = [];
  #working = 0;
  /** Signals of those who hold the connection between what they ask. */
  readonly #holders = new Set<AbortSignal>();
  readonly #turns: Turns;
  readonly #resting: Set<unknown>;
  #idle: NodeJS.Timeout | undefined;

  constructor(
    target: Target,
    settings: HostOptions,
    closing: AbortSignal,
    {
      bastions,
      turns,
      resting,
    }: { readonly bastions: Bastions; readonly turns: Turns; readonly resting: Set<unknown> },
  ) {
    this.#target = target;
    this.#settings = settings;
    this.#closing = closing;
    this.#bastions = bastions;
    this.#turns = turns;
    this.#resting = resting;
    const dial = target.via && (() => bastions.dial(this.#target, this.#target.via!));
    this.#links = new Links(target, settings, closing, { turns, dial });
  }

  get hostKey(): string {
    return this.#links.hostKey ?? '';
  }

  get bastionKeys(): Readonly<Record<string, string>> {
    return this.#bastions.keysTo(this.#target);
  }

  /** Whether it may be held to these keys, since it has shown them. */
  hasShown(target: Target): boolean {
    return hasShown(target, { ...this.bastionKeys, [target.name]: this.hostKey });
  }

  pin(target: Target): void {
    this.#target = target;
    this.#links.pin(target);
  }

  /** It has a connection that nobody needs at the moment, and that others with this share may be waiting for. */
  isSpareOf(share: string): boolean {
    return this.#working === 0 && !this.#links.none && this.#turns.shares.some(({ of }) => of === share);
  }

  /** There is a connection that works, as far as we know. */
  async ready(during?: AbortSignal): Promise<void> {
    if (this.#closing.aborted) throw new Detached(this.#target, 'the connection pool is closed');
    // The key is held while somebody works there; a caller who comes without a pin meets the host anew.
    if (this.#links.none && this.#working === 0) this.#links.hostKey = undefined;
    if (during) this.#hold(during);
    if (this.#links.none) await this.#links.open();
    if (this.#working === 0) this.#rest();
    this.#warm();
  }

  async ask(
    questions: readonly Command[],
    values: Values,
    { timeout = 120_000, limit = 50_000, cancel }: AskOptions = {},
  ): Promise<readonly Output[]> {
    if (questions.length === 0) return [];
    const inquiry = inquire(questions, values);
    const until = Date.now() + timeout;
    const once = async () => {
      const signal = AbortSignal.any([
        AbortSignal.timeout(Math.max(0, until - Date.now())),
        ...(cancel ? [cancel] : []),
      ]);
      const shell = await unlessAborted(this.shell(), signal).catch((error: unknown) => {
        if (cancel?.aborted) throw new Cancelled(this.#target, 'the questions were cancelled');
        throw signal.aborted ? new Unreachable(this.#target, `not connected within ${timeout} ms`) : error;
      });
      const answers = await ask(shell, this.#target, inquiry, {
        timeout: until - Date.now(),
        limit,
        ...(cancel && { cancel }),
      });
      this.#keep(shell);
      return answers;
    };
    return this.#work(async () => {
      try {
        return await once();
      } catch (error) {
        // A pooled link may have died unnoticed, and asking changes nothing: once more, over a new one.
        if (!isLoss(error) || Date.now() >= until) throw error;
        return once();
      }
    });
  }

  async run(job: Job, watch: Watch = {}): Promise<Output> {
    const detach = AbortSignal.any([this.#closing, ...(watch.detach ? [watch.detach] : [])]);
    const shells = { open: () => this.shell(), keep: (shell: RootShell) => this.#keep(shell) };
    return this.#work(() => runJob(shells, this.#target, job, { ...watch, detach }, this.#settings));
  }

  /** A root shell, left by a question or opened ahead if we are lucky. */
  async shell(): Promise<RootShell> {
    while (this.#kept.length > 0) {
      const kept = this.#kept.pop();
      if (kept?.alive) return kept;
    }
    const spare = this.#spare;
    this.#spare = undefined;
    const ahead = await spare;
    if (ahead instanceof AuthenticationFailed) throw ahead;
    return ahead?.alive ? ahead : this.#open();
  }

  #keep(shell: RootShell): void {
    if (!this.#links.wanted && this.#kept.length < 2 && shell.uses < 100) this.#kept.push(shell);
    else shell.end();
  }

  #warm(): void {
    if (this.#spare || !this.#links.roomy || this.#closing.aborted) return;
    this.#spare = this.#open().catch((error: unknown) => (error instanceof AuthenticationFailed ? error : undefined));
  }

  #open(): Promise<RootShell> {
    return this.#first.open(() => this.#links.openShell());
  }

  #hold(during: AbortSignal): void {
    if (during.aborted || this.#holders.has(during)) return;
    this.#holders.add(during);
    void this.#work(async () => {
      await new Promise((over) => during.addEventListener('abort', over, { once: true }));
      this.#holders.delete(during);
    });
  }

  async #work<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#wake();
    this.#working += 1;
    try {
      return await work();
    } finally {
      this.#working -= 1;
      if (this.#working === 0) this.#rest();
    }
  }

  #rest(): void {
    this.#wake();
    if (this.#resting.size >= this.#settings.resting) return this.end();
    this.#resting.add(this);
    this.#idle = setTimeout(() => this.end(), this.#settings.idle).unref();
    this.#turns.limiter.review();
  }

  #wake(): void {
    clearTimeout(this.#idle);
    this.#resting.delete(this);
  }

  /** Closes all connections; the next call opens one again. */
  end(): void {
    this.#wake();
    this.#spare = undefined;
    this.#kept = [];
    this.#links.end();
  }
}
