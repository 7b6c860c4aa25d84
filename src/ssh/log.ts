import type { Watch } from './host.ts';

/** Of the log, in what a job answers. */
const TAIL = 64 * 1024;

/** Hands the log on from an offset, and keeps its end. */
export class Log {
  /** Bytes from the beginning that have been seen. */
  at = 0;
  readonly #offset: number;
  readonly #onLog: Watch['onLog'];
  #tail: Buffer[] = [];
  #size = 0;
  #begun = false;

  constructor(offset: number, onLog: Watch['onLog']) {
    this.#offset = offset;
    this.#onLog = onLog;
  }

  /** Where to begin, the first time somewhat before the caller's offset: the end of the log is wanted too. */
  begin(): number {
    if (!this.#begun) this.at = Math.max(0, this.#offset - TAIL);
    this.#begun = true;
    return this.at;
  }

  take(chunk: Buffer): void {
    const known = Math.max(0, this.#offset - this.at);
    this.at += chunk.length;
    this.#tail.push(chunk);
    this.#size += chunk.length;
    while (this.#size - (this.#tail[0]?.length ?? 0) >= TAIL) this.#size -= this.#tail.shift()?.length ?? 0;
    if (known < chunk.length) this.#onLog?.(chunk.subarray(known), this.at);
  }

  tail(): string {
    return Buffer.concat(this.#tail).subarray(-TAIL).toString();
  }
}
