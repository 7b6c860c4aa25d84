import { text } from 'node:stream/consumers';
import { styleText } from 'node:util';
import { EXIT } from './errors.ts';

/** The edges of a command: what it reads of its surroundings and where it writes. Tests give their own. */
export interface Io {
  readonly out: Stream;
  /** Progress and problems, so that `--json` on `out` stays JSON. */
  readonly err: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** All that comes on stdin. */
  readonly input: () => Promise<string>;
  /** Somebody sits there and can answer. */
  readonly canAsk: boolean;
  readonly color: boolean;
  /** Whether the terminal shows more than ASCII. */
  readonly unicode: boolean;
  /** Calls back at Ctrl-C, until the returned function is called. */
  onInterrupt(listener: () => void): () => void;
}

export interface Stream {
  write(text: string): void;
  /** A terminal whose lines can be redrawn. */
  readonly live: boolean;
  size(): { readonly columns: number; readonly rows: number };
}

/** The real surroundings of this process. */
export function processIo(argv: readonly string[]): Io {
  const { env, stdout, stderr, stdin } = process;
  return {
    out: streamOf(stdout),
    err: streamOf(stderr),
    env,
    cwd: process.cwd(),
    input: () => text(stdin),
    canAsk: stdin.isTTY === true && stdout.isTTY === true,
    color: wantsColor(argv, env, stdout.isTTY === true),
    unicode: /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '') || process.platform === 'darwin',
    onInterrupt: interrupts(stdout),
  };
}

/** The first Ctrl-C is for who listens; the second, or one for nobody, ends this process at once. */
function interrupts(stdout: NodeJS.WriteStream): Io['onInterrupt'] {
  const listeners: (() => void)[] = [];
  let isLast = false;
  const interrupt = () => {
    const listener = listeners.at(-1);
    if (listener && !isLast) {
      isLast = true;
      listener();
      return;
    }
    // A block that was being redrawn may have hidden the cursor.
    if (stdout.isTTY) stdout.write('\u001b[?25h\n');
    process.exit(EXIT.interrupted);
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  // Who reads may stop reading, as `head` does.
  stdout.on('error', (error) => process.exit('code' in error && error.code === 'EPIPE' ? EXIT.ok : EXIT.failed));
  return (listener) => {
    listeners.push(listener);
    return () => void listeners.splice(listeners.indexOf(listener), 1);
  };
}

type Format = Parameters<typeof styleText>[0];
export type Style = (format: Format, text: string) => string;

/** Colours a text, or leaves it alone. */
export function styling(io: Pick<Io, 'color'>): Style {
  return (format, text) => (io.color ? styleText(format, text, { validateStream: false }) : text);
}

function streamOf(stream: NodeJS.WriteStream): Stream {
  return {
    write: (text) => void stream.write(text),
    live: stream.isTTY === true && process.env['TERM'] !== 'dumb',
    size: () => ({ columns: stream.columns || 80, rows: stream.rows || 24 }),
  };
}

function wantsColor(argv: readonly string[], env: Io['env'], isTerminal: boolean): boolean {
  if (argv.includes('--no-color') || env['NO_COLOR']) return false;
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return true;
  return isTerminal && env['TERM'] !== 'dumb';
}
