/** Of each stream of each answer; what goes beyond is dropped. */
const BOUND = 64 * 1024;

/** Bytes: of a number behind a mark, with the line break. A host that means ill knows the mark, and need not end the line. */
const LONGEST = 12;

/**
 * Cuts a stream at the marks `<nonce> <code>\n`, which no answer can guess; `<nonce> +<pid>\n` says what begins. The host
 * itself knows the nonce: what it makes of that is bounded too, and what comes behind the last answer is dropped.
 */
export class Frames {
  /** Process id of the question that is being asked. */
  running: number | undefined;
  readonly frames: { readonly text: string; readonly code: number }[] = [];
  readonly #mark: Buffer;
  readonly #wanted: number;
  #pending = Buffer.alloc(0);
  #kept: Buffer[] = [];
  #size = 0;

  constructor(nonce: string, wanted: number) {
    this.#mark = Buffer.from(`${nonce} `);
    this.#wanted = wanted;
  }

  get complete(): boolean {
    return this.frames.length >= this.#wanted;
  }

  /** Whether a question began or ended. */
  take(chunk: Buffer): boolean {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    let news = false;
    while (!this.complete) {
      const mark = this.#pending.indexOf(this.#mark);
      const from = mark + this.#mark.length;
      const word = this.#pending.subarray(from, from + LONGEST);
      const end = word.indexOf('\n');
      if (mark < 0 || (end < 0 && word.length < LONGEST)) {
        this.#keep(mark < 0 ? Math.max(0, this.#pending.length - this.#mark.length) : mark);
        return news;
      }
      const [, begun, number] = /^(\+?)(\d+)$/.exec(word.subarray(0, Math.max(0, end)).toString()) ?? [];
      if (number === undefined) {
        this.#keep(from);
        continue;
      }
      this.#keep(mark);
      this.#pending = this.#pending.subarray(this.#mark.length + end + 1);
      // Said again it is no news: who waits for an answer must not wait the longer for it.
      news ||= !begun || this.running === undefined;
      if (begun) this.running = Number(number);
      else this.#end(Number(number));
    }
    this.#pending = Buffer.alloc(0);
    return news;
  }

  #end(code: number): void {
    this.frames.push({ text: Buffer.concat(this.#kept).toString(), code });
    this.running = undefined;
    this.#kept = [];
    this.#size = 0;
  }

  #keep(length: number): void {
    const room = Math.min(length, BOUND - this.#size);
    if (room > 0) this.#kept.push(Buffer.from(this.#pending.subarray(0, room)));
    this.#size += Math.max(0, room);
    this.#pending = this.#pending.subarray(length);
  }
}
