import { clip, duration, printable } from './format.ts';
import type { Io } from './io.ts';
import { LiveBlock } from './live.ts';

export type Report = (detail: string) => void;

const FRAMES = { unicode: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'], ascii: ['|', '/', '-', '\\'] };
/** Milliseconds before anything is said: most things are done by then. */
const PATIENCE = 1_000;
/** Between two lines. Nobody should wonder for longer whether it hangs. */
const QUIET = 1_900;

/** The picture of a spinner at a moment. */
export function spinner(io: Pick<Io, 'unicode'>, now: number): string {
  const frames = io.unicode ? FRAMES.unicode : FRAMES.ascii;
  return frames[Math.floor(now / 120) % frames.length]!;
}

/**
 * Does `work` and says so once it takes longer than a second: as a spinner with elapsed seconds on a terminal,
 * otherwise as a line now and then. `report` gives the latest detail.
 */
export async function waiting<T>(io: Io, title: string, work: (report: Report) => Promise<T>): Promise<T> {
  return await (io.err.live ? onTerminal(io, title, work) : inLines(io, title, work));
}

async function onTerminal<T>(io: Io, title: string, work: (report: Report) => Promise<T>): Promise<T> {
  const began = Date.now();
  const block = new LiveBlock(io.err);
  let detail = '';
  const timer = setInterval(() => {
    const now = Date.now();
    if (now - began < 300) return;
    const line = `${spinner(io, now)} ${title} ${duration(now - began)}${detail && `  ${detail}`}`;
    block.show([clip(line, io.err.size().columns - 1)]);
  }, 120);
  try {
    return await work((latest) => {
      detail = printable(latest);
    });
  } finally {
    clearInterval(timer);
    block.close({ keep: false });
  }
}

async function inLines<T>(io: Io, title: string, work: (report: Report) => Promise<T>): Promise<T> {
  const began = Date.now();
  let said = 0;
  let detail = '';
  const say = () => {
    const elapsed = Date.now() - began;
    if (elapsed < PATIENCE || Date.now() - said < QUIET) return;
    io.err.write(`${title} … ${duration(elapsed)}${detail && `: ${detail}`}\n`);
    said = Date.now();
  };
  const timer = setInterval(say, 250);
  try {
    return await work((latest) => {
      detail = printable(latest);
    });
  } finally {
    clearInterval(timer);
  }
}
