import { randomBytes } from 'node:crypto';
import { type Command, type Output, quote } from './command.ts';
import { Cancelled, LinkLost, ProtocolError, printable, type SshError, Unreachable } from './errors.ts';
import type { Target, Values } from './host.ts';
import type { RootShell } from './root-shell.ts';

/** Of each stream of each answer; what goes beyond is dropped. */
const BOUND = 64 * 1024;

export interface AskOptions {
  readonly timeout: number;
  readonly cancel?: AbortSignal;
}

/**
 * Puts all questions to one shell, which is then free for others.
 * Rejects with Unreachable if there is no answer in time, Cancelled, LinkLost or ProtocolError, and ends what still runs.
 */
export async function ask(
  shell: RootShell,
  target: Target,
  { questions, nonce, program }: Inquiry,
  { timeout, cancel }: AskOptions,
): Promise<readonly Output[]> {
  const out = new Frames(nonce, questions.length);
  const err = new Frames(nonce, questions.length);
  return new Promise((resolve, reject) => {
    const give = (error: SshError) => {
      settle();
      shell.destroy();
      reject(error);
    };
    const cancelled = () => give(new Cancelled(target, 'the questions were cancelled'));
    const timer = setTimeout(() => {
      const at = questions[out.frames.length]?.text ?? '';
      const which = `question ${out.frames.length + 1} of ${questions.length}`;
      const what = `no answer within ${timeout} ms to ${which}: ${printable(at).slice(0, 200)}`;
      give(new Unreachable(target, what, undefined, 'Look there for what hangs: a disk, or a service such as Docker.'));
    }, timeout);
    const settle = () => {
      clearTimeout(timer);
      cancel?.removeEventListener('abort', cancelled);
    };
    cancel?.addEventListener('abort', cancelled);
    if (cancel?.aborted) return cancelled();
    const take = (frames: Frames) => (chunk: Buffer) => {
      frames.take(chunk);
      if (!out.complete || !err.complete) return;
      settle();
      shell.write('done\n');
      resolve(
        out.frames.map(({ text, code }, n) => ({ exitCode: code, stdout: text, stderr: err.frames[n]?.text ?? '' })),
      );
    };
    shell.start(program, '', { out: take(out), err: take(err) });
    void shell.ended.then(({ code, signal }) => {
      if (out.complete && err.complete) return;
      const end = code === undefined ? signal : `exit code ${code}`;
      give(
        end === undefined
          ? new LinkLost(target, 'the connection broke while questions were being asked')
          : new ProtocolError(
              target,
              `the shell ended (${end}) after ${out.frames.length} of ${questions.length} answers`,
            ),
      );
    });
  });
}

export interface Inquiry {
  readonly questions: readonly Command[];
  readonly nonce: string;
  readonly program: string;
}

/**
 * Questions run one after another beside the main shell, which waits for word from us: `done`, or the end of its stdin
 * when we have let go or died, and then ends whatever hangs. It is the leader of its process group.
 * Throws a TypeError on values that no shell can hold.
 */
export function inquire(questions: readonly Command[], values: Values): Inquiry {
  const nonce = randomBytes(16).toString('hex');
  const asked = questions.map(({ text }) => `( eval ${quote(text)} )\nmark $?`);
  const program = `{
${PRELUDE}
${assignments(values)}
mark() { printf '${nonce} %s\\n' "$1"; printf '${nonce} %s\\n' "$1" >&2; }
${asked.join('\n')}
} </dev/null &
read -r word || kill -KILL 0
`;
  return { questions, nonce, program };
}

/** The same for every host, whoever logged in and however. */
const PRELUDE = `PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 LC_ALL=C.UTF-8 HOME="\${HOME:-/root}"
export PATH LANG LC_ALL HOME
umask 022
cd /`;

/** Shell variables of the shell itself: never exported, so in no environment, and in no argument. */
export function assignments(values: Values): string {
  return Object.entries(values)
    .map(([name, value]) => {
      if (!/^[a-z_]\w*$/i.test(name)) throw new TypeError(`not a shell variable: ${name}`);
      if (value.includes('\0')) throw new TypeError(`the value of ${name} holds a NUL byte, which no shell can keep`);
      return `${name}=${quote(value)}`;
    })
    .join('\n');
}

/** Cuts a stream at the marks `<nonce> <code>\n`, which no answer can guess. */
class Frames {
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

  take(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const mark = this.#pending.indexOf(this.#mark);
      if (mark < 0) return this.#keep(Math.max(0, this.#pending.length - this.#mark.length));
      const end = this.#pending.indexOf('\n', mark);
      if (end < 0) return this.#keep(mark);
      const code = Number(this.#pending.subarray(mark + this.#mark.length, end));
      this.#keep(mark);
      this.#pending = this.#pending.subarray(end - mark + 1);
      this.frames.push({ text: Buffer.concat(this.#kept).toString(), code });
      this.#kept = [];
      this.#size = 0;
    }
  }

  #keep(length: number): void {
    const room = Math.min(length, BOUND - this.#size);
    if (room > 0) this.#kept.push(Buffer.from(this.#pending.subarray(0, room)));
    this.#size += Math.max(0, room);
    this.#pending = this.#pending.subarray(length);
  }
}
