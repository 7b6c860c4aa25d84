/** How much of something that connections share may be used at once. What is missing is without a limit. */
export interface Limits {
  /** Connections that are open. */
  readonly sessions?: number;
  /** Connections begun within a second. */
  readonly startsPerSecond?: number;
  /** Connections that have not logged in yet. An sshd turns some away where there are many (MaxStartups). */
  readonly logins?: number;
}

/** A part in something that is shared: a site, a bastion, the worker itself. Who says the same `of` shares it. */
export interface Share extends Limits {
  readonly of: string;
}

/** A connection that counts. */
export interface Slot {
  loggedIn(): void;
  /** It is closed, or has never come about. */
  release(): void;
}

interface Use {
  open: number;
  loggingIn: number;
  /** When the last connections were begun, the oldest first. */
  readonly begun: number[];
}

interface Waiting {
  readonly shares: readonly Share[];
  readonly go: () => void;
}

const SECOND = 1_000;

/** Lets connections begin in the order in which they were asked for, as far as their shares have room. */
export class Limiter {
  readonly #uses = new Map<string, Use>();
  readonly #makeRoom: (of: string) => void;
  #waiting: readonly Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `makeRoom` is called for a share that somebody waits for, since all its connections are open. */
  constructor(makeRoom: (of: string) => void = () => {}) {
    this.#makeRoom = makeRoom;
  }

  /** A slot, as soon as all the shares have room. Rejects with the signal's reason if that is aborted before. */
  async acquire(shares: readonly Share[], signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        shares,
        go: () => {
          signal.removeEventListener('abort', giveUp);
          resolve(this.#slot(shares));
        },
      };
      const giveUp = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting = [...this.#waiting, waiting];
      this.review();
    });
  }

  /** Lets go who may. To be called when something may have become free. */
  review(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    const wanted = new Set<string>();
    let next = Infinity;
    this.#waiting = this.#waiting.filter(({ shares, go }) => {
      const pauses = shares.map((share) => this.#pauseOf(share, now));
      for (const { of } of shares.filter((_, n) => pauses[n] === Infinity)) wanted.add(of);
      const longest = Math.max(0, ...pauses);
      if (longest > 0) {
        if (longest < Infinity) next = Math.min(next, longest);
        return true;
      }
      for (const { of } of shares) this.#begin(of, now);
      go();
      return false;
    });
    if (next < Infinity) this.#timer = setTimeout(() => this.review(), Math.ceil(next));
    for (const of of wanted) this.#makeRoom(of);
  }

  /** Milliseconds until a share has room, if only time is needed. */
  #pauseOf({ of, sessions = Infinity, startsPerSecond = Infinity, logins = Infinity }: Share, now: number): number {
    const { open, loggingIn, begun } = this.#use(of);
    if (open >= sessions || loggingIn >= logins) return Infinity;
    const oldest = begun.at(-startsPerSecond);
    return begun.length < startsPerSecond || oldest === undefined ? 0 : Math.max(0, oldest + SECOND - now);
  }

  #begin(of: string, now: number): void {
    const use = this.#use(of);
    use.open += 1;
    use.loggingIn += 1;
    while (use.begun.length > 0 && use.begun[0]! + SECOND <= now) use.begun.shift();
    use.begun.push(now);
  }

  #slot(shares: readonly Share[]): Slot {
    const change = (by: (use: Use) => void) => {
      for (const { of } of shares) by(this.#use(of));
      if (shares.length > 0) this.review();
    };
    const loggedIn = once(() => change((use) => (use.loggingIn -= 1)));
    const close = once(() => change((use) => (use.open -= 1)));
    return {
      loggedIn,
      release: () => {
        loggedIn();
        close();
      },
    };
  }

  #use(of: string): Use {
    const use = this.#uses.get(of) ?? { open: 0, loggingIn: 0, begun: [] };
    this.#uses.set(of, use);
    return use;
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}
