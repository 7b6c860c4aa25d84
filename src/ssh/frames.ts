/** Of each stream of each answer; what goes beyond is dropped. */
const BOUND = 64 * 1024;

/** Cuts a stream at the marks `<nonce> <code>\n`, which no answer can guess; `<nonce> +<pid>\n` says what begins. */
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
    for (let news = false; ; news = true) {
      const mark = this.#pending.indexOf(this.#mark);
      const end = mark < 0 ? -1 : this.#pending.indexOf('\n', mark);
      if (end < 0) {
        this.#keep(mark < 0 ? Math.max(0, this.#pending.length - this.#mark.length) : mark);
        return news;
      }
      const word = this.#pending.subarray(mark + this.#mark.length, end).toString();
      this.#keep(mark);
      this.#pending = this.#pending.subarray(end - mark + 1);
      if (word.startsWith('+')) this.running = Number(word);
      else this.#end(Number(word));
    }
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
