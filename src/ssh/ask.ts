import { randomBytes } from 'node:crypto';
import { type Command, type Output, quote } from './command.ts';
import { Cancelled, LinkLost, ProtocolError, printable, type SshError, Unreachable } from './errors.ts';
import { Frames } from './frames.ts';
import type { AskOptions, Target, Values } from './host.ts';
import type { RootShell } from './root-shell.ts';

/** Of what was killed, and so of a question that was given up. */
const KILLED = 137;

/**
 * Puts all questions to one shell, which is then free for others unless something hung.
 * A question without an answer in time is ended on the host, and answered with exit code 137 and the reason on stderr.
 * Rejects with Unreachable if the host does not even begin to answer, Cancelled, LinkLost or ProtocolError, and ends what still runs.
 */
export async function ask(
  shell: RootShell,
  target: Target,
  { questions, nonce, program }: Inquiry,
  { timeout, limit, cancel }: AskOptions & Required<Pick<AskOptions, 'timeout' | 'limit'>>,
): Promise<readonly Output[]> {
  const out = new Frames(nonce, questions.length);
  const err = new Frames(nonce, questions.length);
  const until = Date.now() + timeout;
  /** How long those that were given up had been waited for, by their number. */
  const hung = new Map<number, number>();
  return new Promise((resolve, reject) => {
    const give = (error: SshError) => {
      settle();
      shell.destroy();
      reject(error);
    };
    const cancelled = () => give(new Cancelled(target, 'the questions were cancelled'));
    let timer: NodeJS.Timeout | undefined;
    /** How long the question that is being asked may still take. */
    const patience = () => Math.max(0, Math.min(hung.size > 0 ? limit / 4 : limit, until - Date.now()));
    const wait = () => {
      clearTimeout(timer);
      const milliseconds = patience();
      timer = setTimeout(() => giveUp(milliseconds), milliseconds);
    };
    const giveUp = (waited: number) => {
      const at = out.frames.length;
      if (out.running === undefined) return give(silent(target, waited, questions, at));
      // What not even KILL ends hangs in the kernel: then the rest cannot be asked.
      if (hung.has(at) || Date.now() >= until) {
        settle();
        shell.destroy();
        return resolve(answers(hung.has(at) ? undefined : waited));
      }
      hung.set(at, waited);
      shell.write(`kill ${out.running}\n`);
      wait();
    };
    const answers = (last?: number) =>
      questions.map((_, n): Output => {
        const [told, said] = [out.frames[n], err.frames[n]];
        const waited = hung.get(n) ?? (n === out.frames.length ? last : undefined);
        if (waited !== undefined && (told?.code ?? KILLED) === KILLED) return unanswered(told?.text, waited);
        return told ? { exitCode: told.code, stdout: told.text, stderr: said?.text ?? '' } : NOT_ASKED;
      });
    const settle = () => {
      clearTimeout(timer);
      cancel?.removeEventListener('abort', cancelled);
    };
    cancel?.addEventListener('abort', cancelled);
    if (cancel?.aborted) return cancelled();
    const take = (frames: Frames) => (chunk: Buffer) => {
      if (frames.take(chunk)) wait();
      if (!out.complete || !err.complete) return;
      settle();
      shell.write('done\n');
      if (hung.size > 0) shell.destroy(); // something of it may still write
      resolve(answers());
    };
    wait();
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

const HINT = 'Look there for what hangs: a disk, a network file system, or a service such as Docker.';

const unanswered = (stdout = '', waited: number): Output => ({
  exitCode: KILLED,
  stdout,
  stderr: `no answer within ${waited / 1000} s. ${HINT}`,
});

const NOT_ASKED: Output = {
  exitCode: KILLED,
  stdout: '',
  stderr: `not asked: what was asked before it hangs. ${HINT}`,
};

function silent(target: Target, waited: number, questions: readonly Command[], at: number): Unreachable {
  const which = `question ${at + 1} of ${questions.length}: ${printable(questions[at]?.text ?? '').slice(0, 200)}`;
  return new Unreachable(target, `nothing heard for ${waited / 1000} s, before ${which}`, undefined, HINT);
}

export interface Inquiry {
  readonly questions: readonly Command[];
  readonly nonce: string;
  readonly program: string;
}

/**
 * Questions run one after another beside the main shell, which waits for word from us: `kill PID` of a question that takes
 * too long, `done`, or the end of its stdin when we have let go or died, and then ends whatever hangs. It is the leader of
 * its process group. We keep the time, so that a question that answers costs the host no process beside its own.
 * Throws a TypeError on values that no shell can hold.
 */
export function inquire(questions: readonly Command[], values: Values): Inquiry {
  const nonce = randomBytes(16).toString('hex');
  const asked = questions.map(({ text }) => `( eval ${quote(text)} ) &\nbegun\nwait $!\nmark $?`);
  const program = `{
${PRELUDE}
${assignments(values)}
begun() { printf '${nonce} +%s\\n' $!; }
mark() { printf '${nonce} %s\\n' "$1"; printf '${nonce} %s\\n' "$1" >&2; }
${asked.join('\n')}
} </dev/null &
${POSTLUDE}`;
  return { questions, nonce, program };
}

/** The same for every host, whoever logged in and however. */
const PRELUDE = `PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 LC_ALL=C.UTF-8 HOME="\${HOME:-/root}"
export PATH LANG LC_ALL HOME
umask 022
cd /`;

/** Only what the asking shell began is killed, with all below it. */
const POSTLUDE = `below() {
for child in $(grep -ls "^[0-9]* (.*) . $1 " /proc/[0-9]*/stat | cut -d/ -f3); do echo $child; below $child; done
}
while read -r word pid; do
[ "$word" = kill ] || break
grep -qs "^[0-9]* (.*) . $! " /proc/$pid/stat && kill -KILL $pid $(below $pid) 2>/dev/null
done
[ "$word" = done ] || kill -KILL 0
`;

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
