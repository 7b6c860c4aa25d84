import { setTimeout as sleep } from 'node:timers/promises';

/** A reader tries the next host where one does not answer, and gives up after so many milliseconds. */
const PATIENCE = 30_000;
const ANSWER = 5_000;
const EVERY = 250;

/** What became of the requests of a while. */
export interface Read {
  readonly requests: number;
  /** Answered by another host than the first that was asked, or by a later try. */
  readonly retried: number;
  /** Not answered within half a minute. */
  readonly failed: number;
  /** Milliseconds. */
  readonly slowest: number;
}

/** A steady load of readers of a forum that is served by several hosts. */
export class Readers {
  /** Where the forum is looked for. */
  addresses: readonly string[];
  /** What goes on meanwhile: each request counts for what went on when it began. */
  phase = 'adding';
  #stopped = false;
  #turn = 0;
  readonly #open = new Set<Promise<void>>();
  readonly #read: Record<string, { requests: number; retried: number; failed: number; slowest: number }> = {};
  readonly #loop: Promise<void>;

  constructor(addresses: readonly string[]) {
    this.addresses = addresses;
    this.#loop = this.#load();
  }

  /** Ends the load, and waits for what is under way. */
  async stop(): Promise<Readonly<Record<string, Read>>> {
    this.#stopped = true;
    await this.#loop;
    await Promise.all(this.#open);
    return this.#read;
  }

  async #load(): Promise<void> {
    while (!this.#stopped) {
      const request = this.#one().finally(() => this.#open.delete(request));
      this.#open.add(request);
      await sleep(EVERY);
    }
  }

  async #one(): Promise<void> {
    const began = Date.now();
    const first = this.#turn++;
    const read = (this.#read[this.phase] ??= { requests: 0, retried: 0, failed: 0, slowest: 0 });
    read.requests++;
    for (let tries = 0; Date.now() - began < PATIENCE; tries++) {
      const { addresses } = this;
      if (await isServed(addresses[(first + tries) % addresses.length]!)) {
        if (tries > 0) read.retried++;
        read.slowest = Math.max(read.slowest, Date.now() - began);
        return;
      }
      await sleep(100);
    }
    read.failed++;
  }
}

/** The front page, which NodeBB makes from what stands in the database. */
async function isServed(address: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${address}:4567/`, { signal: AbortSignal.timeout(ANSWER) });
    const text = await response.text();
    return response.status === 200 && text.includes('NodeBB');
  } catch {
    return false;
  }
}
