import type { Stream } from './io.ts';

const HIDE = '\x1b[?25l';
const SHOW = '\x1b[?25h';
// A terminal that knows synchronised output shows the frame whole; others ignore the request.
const BEGIN = '\x1b[?2026h';
const END = '\x1b[?2026l';

/** Lines at the bottom of a terminal that are redrawn in place, with ordinary output scrolling by above them. */
export class LiveBlock {
  readonly #stream: Stream;
  #shown: readonly string[] = [];
  #hidden = false;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Replaces the block. Lines must fit the terminal's width; what is too high for it is cut at the bottom. */
  show(lines: readonly string[]): void {
    const fitting = lines.slice(0, Math.max(1, this.#stream.size().rows - 1));
    if (fitting.length === this.#shown.length && fitting.every((line, n) => line === this.#shown[n])) return;
    this.#draw('', fitting);
  }

  /** Writes a line above the block, to stay. */
  print(text: string): void {
    this.#draw(`${text}\x1b[K\n`, this.#shown);
  }

  /** Leaves the last block standing, or takes it away. */
  close({ keep = true }: { keep?: boolean } = {}): void {
    if (!keep) this.#draw('', []);
    this.#shown = [];
    if (this.#hidden) this.#stream.write(SHOW);
    this.#hidden = false;
  }

  #draw(above: string, lines: readonly string[]): void {
    const up = this.#shown.length > 0 ? `\x1b[${this.#shown.length}A\r` : '';
    const hide = this.#hidden ? '' : HIDE;
    this.#hidden = true;
    this.#stream.write(`${hide}${BEGIN}${up}${above}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J${END}`);
    this.#shown = lines;
  }
}
