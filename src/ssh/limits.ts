import type { Limits } from '../plan/plan.ts';
import { type Place, Unreachable } from './errors.ts';

/** A part in something that connections share: a site, a bastion, the worker itself. Who says the same `of` shares it. */
export interface Share extends Limits {
  readonly of: string;
}

/** So many connections may be open, or begin, and others were before this one. Nothing was sent to the machine. */
export class Crowded extends Unreachable {
  constructor(place: Place, shares: readonly string[], milliseconds: number) {
    const limits = `the limits of ${shares.join(' and ')} left no room for a connection`;
    super(place, `${limits} within ${milliseconds / 1000} s`, undefined, 'It comes to its turn by itself.');
  }
}

/** To be called when the connection is closed, or has not come about. */
export type Release = () => void;

interface Use {
  open: number;
  /** When the last connections were begun, the oldest first. */
  readonly begun: number[];
}

interface Waiting {
  readonly shares: readonly Share[];
  readonly go: () => void;
}

const SECOND = 1_000;

/** Lets connections begin in the order in which they were asked for, as far as all that they share has room. */
export class Limiter {
  readonly #uses = new Map<string, Use>();
  readonly #makeRoom: (of: string) => void;
  #waiting: readonly Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `makeRoom` is called with what somebody waits for, where all its connections are open. */
  constructor(makeRoom: (of: string) => void = () => {}) {
    this.#makeRoom = makeRoom;
  }

  /** Resolves when the connection may begin. Rejects with the signal's reason if that is aborted before. */
  async acquire(shares: readonly Share[], signal: AbortSignal): Promise<Release> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        shares,
        go: () => {
          signal.removeEventListener('abort', giveUp);
          resolve(this.#release(shares));
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

  /** Lets go who may. To be called where somebody may be made room for now. */
  review(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    const full = new Set<string>();
    let next = Infinity;
    this.#waiting = this.#waiting.filter(({ shares, go }) => {
      const pauses = shares.map((share) => this.#pauseOf(share, now));
      const longest = Math.max(0, ...pauses);
      if (longest === 0) {
        for (const { of } of shares) this.#begin(of, now);
        go();
        return false;
      }
      if (longest < Infinity) next = Math.min(next, longest);
      for (const { of } of shares.filter((_, n) => pauses[n] === Infinity)) full.add(of);
      return true;
    });
    if (next < Infinity) this.#timer = setTimeout(() => this.review(), Math.ceil(next));
    for (const of of full) this.#makeRoom(of);
  }

  /** Milliseconds until a share has room, where that is only a matter of time. */
  #pauseOf({ of, sessions = Infinity, startsPerSecond = Infinity }: Share, now: number): number {
    const { open, begun } = this.#use(of);
    if (open >= sessions) return Infinity;
    const oldest = begun.at(-startsPerSecond);
    return oldest === undefined ? 0 : Math.max(0, oldest + SECOND - now);
  }

  #begin(of: string, now: number): void {
    const use = this.#use(of);
    use.open += 1;
    while (use.begun.length > 0 && use.begun[0]! + SECOND <= now) use.begun.shift();
    use.begun.push(now);
  }

  /** Counts once, however often it is called. */
  #release(shares: readonly Share[]): Release {
    let isReleased = shares.length === 0;
    return () => {
      if (isReleased) return;
      isReleased = true;
      for (const { of } of shares) this.#use(of).open -= 1;
      this.review();
    };
  }

  #use(of: string): Use {
    const use = this.#uses.get(of) ?? { open: 0, begun: [] };
    this.#uses.set(of, use);
    return use;
  }
}
