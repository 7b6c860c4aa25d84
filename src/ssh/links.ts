import { type Channel, ChannelRefused, type Dial, type Link, type LinkOptions, openLink } from './connection.ts';
import { Detached, Unreachable } from './errors.ts';
import type { Target } from './host.ts';
import { Crowded, type Limiter, type Release, type Share } from './limits.ts';
import { openRootShell, type RootShell } from './root-shell.ts';

export interface LinksOptions extends LinkOptions {
  /** Channels a connection. */
  readonly channels: number;
  /** Connections. */
  readonly links: number;
  /** Milliseconds from asking for a channel to a root shell on it. */
  readonly opening: number;
  /** Milliseconds that a connection may wait for its turn. */
  readonly wait: number;
}

/** Who says when connections may begin, and by which limits. */
export interface Turns {
  readonly limiter: Limiter;
  readonly shares: readonly Share[];
}

/** How a machine is reached: when a connection may begin, and how it gets there, where that is not directly. */
export interface Way {
  readonly turns: Turns;
  readonly dial?: Dial | undefined;
}

/** RFC 4254, section 5.1: all other reasons are about where the channel was to lead. */
const RESOURCE_SHORTAGE = 4;

/** The connections to one machine, and how many channels are open on each. */
export class Links {
  hostKey: string | undefined;
  #target: Target;
  readonly #options: LinksOptions;
  readonly #closing: AbortSignal;
  readonly #dial: Dial | undefined;
  readonly #turns: Turns;
  /** Channels that are open, and that may be. */
  readonly #links = new Map<Link, { used: number; room: number }>();
  #opening: Promise<void> | undefined;
  #queue: (() => void)[] = [];

  constructor(target: Target, options: LinksOptions, closing: AbortSignal, { turns, dial }: Way) {
    this.#target = target;
    this.#options = options;
    this.#closing = closing;
    this.#turns = turns;
    this.#dial = dial;
  }

  /** The same machine with the keys that it has shown: from here on it is held to them. */
  pin(target: Target): void {
    this.#target = target;
  }

  get none(): boolean {
    return this.#links.size === 0;
  }

  /** There is room for a channel that nobody needs yet. */
  get roomy(): boolean {
    return [...this.#links.values()].some(({ used, room }) => used + 1 < room);
  }

  /** Somebody waits for a channel. */
  get wanted(): boolean {
    return this.#queue.length > 0;
  }

  /** A root shell on any of them; opens another connection when they are full, and waits when there are enough. */
  openShell(): Promise<RootShell> {
    return this.#occupy(
      (link) => openRootShell(link, this.#target, this.#options.opening),
      (shell, release) => void shell.ended.then(release),
    );
  }

  /** A stream through this machine to another. Rejects with ChannelRefused where it does not lead there, or with Unreachable. */
  openStream(to: Target): Promise<Channel> {
    return this.#occupy(
      (link) =>
        inTime(
          link.stream(to),
          this.#options.readyTimeout,
          () => new Unreachable(to, `through ${this.#target.name}: no answer in time`),
        ),
      (channel, release) => void channel.on('close', release),
      ({ reason }) => reason === RESOURCE_SHORTAGE,
    );
  }

  /** A channel on a link that has room for it. `isFull`: a refusal means that there is less room than we thought. */
  async #occupy<T>(
    open: (link: Link) => Promise<T>,
    onEnd: (opened: T, release: () => void) => void,
    isFull: (refused: ChannelRefused) => boolean = () => true,
  ): Promise<T> {
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
          const opened = await open(link);
          onEnd(opened, release);
          return opened;
        } catch (error) {
          release();
          if (!(error instanceof ChannelRefused) || !isFull(error)) throw error;
          // This sshd allows fewer than we thought; with none open it allows none at all.
          slots.room = slots.used;
          if (slots.room > 0) continue;
          this.#links.delete(link);
          link.end();
          throw new Unreachable(this.#target, 'lets us log in but open no session', error);
        }
      } else if (this.#links.size < this.#options.links) await this.open();
      else await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
  }

  /** One more connection; who needs one at the same moment shares it. */
  async open(): Promise<void> {
    this.#opening ??= this.#handshake().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #handshake(): Promise<void> {
    const release = await this.#turn();
    try {
      const link = await this.#logIn();
      link.onBroken(release);
    } catch (error) {
      release();
      throw error;
    }
  }

  async #turn(): Promise<Release> {
    const { limiter, shares } = this.#turns;
    const { wait } = this.#options;
    try {
      return await limiter.acquire(shares, AbortSignal.any([this.#closing, AbortSignal.timeout(wait)]));
    } catch {
      if (this.#closing.aborted) throw new Detached(this.#target, 'the connection pool is closed');
      throw new Crowded(
        this.#target,
        shares.map(({ of }) => of),
        wait,
      );
    }
  }

  async #logIn(): Promise<Link> {
    // The key shown first holds for all that follow, pinned or not.
    const pin = this.#target.hostKey ?? this.hostKey;
    const target = { ...this.#target, ...(pin !== undefined && { hostKey: pin }) };
    const link = await openLink(target, this.#options, this.#dial);
    if (this.#closing.aborted) {
      link.end();
      throw new Detached(this.#target, 'the connection pool is closed');
    }
    this.hostKey = link.hostKey;
    this.#links.set(link, { used: 0, room: this.#options.channels });
    link.onBroken(() => {
      this.#links.delete(link);
      this.#next();
    });
    return link;
  }

  #next(): void {
    for (const waiting of this.#queue.splice(0)) waiting();
  }

  end(): void {
    for (const link of this.#links.keys()) link.end();
    this.#links.clear();
    this.#next();
  }
}

/** A stream that comes too late is closed. */
async function inTime(opening: Promise<Channel>, milliseconds: number, late: () => Error): Promise<Channel> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(late());
      opening.then(
        (stream) => stream.close(),
        () => {},
      );
    }, milliseconds);
  });
  return Promise.race([opening, tooLate]).finally(() => clearTimeout(timer));
}
