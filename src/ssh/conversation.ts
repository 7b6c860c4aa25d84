import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { assignments } from './ask.ts';
import { quote } from './command.ts';
import { Fenced, JobLost, KeyConflict, LinkLost, NoSpace, ProtocolError, printable, type SshError } from './errors.ts';
import type { Job, Target } from './host.ts';
import type { Log } from './log.ts';
import type { Ended, RootShell } from './root-shell.ts';

/** How jobs are kept on a host. */
export interface JobOptions {
  /** Folder of jobs and fence. */
  readonly state: string;
  /** Folder for scripts, which may hold secrets; used where the folder above it is in memory. */
  readonly volatile: string;
  /** Seconds between TERM and KILL. */
  readonly grace: number;
  /** Days that an ended job is kept: longer than anybody may come back for it, since a job forgotten can run again. */
  readonly keepDays: number;
  /** Bytes of log that a host keeps of a job; the job goes on beyond it. */
  readonly logLimit: number;
  /** Milliseconds for which a lost job's host is sought again. */
  readonly reconnect: number;
  /** Milliseconds beyond its time and the grace after which a job that its host does not end is given up. */
  readonly margin: number;
}

const read = (name: string) => readFileSync(new URL(`./remote/${name}`, import.meta.url), 'utf8');
const BOOTSTRAP = read('bootstrap.sh');
const SUPERVISOR = read('supervisor.sh');

/** As the host's supervisor wrote it: `exit 0 log=12 cut=0`. */
export interface End {
  readonly state: string;
  readonly code: number;
  readonly cut: boolean;
}

/** What a conversation is about; the log goes on over all of them. */
interface Topic {
  readonly target: Target;
  readonly job: Job;
  readonly log: Log;
  readonly options: JobOptions;
}

/** What the caller hears of a conversation while it lasts. */
export interface Ears {
  /** The host speaks for the job. */
  readonly onAlive: () => void;
  /** The job has not begun: the host waits for another one to end. */
  readonly onWait: () => void;
}

/** To start a job or find it, to find it only, or to end it. */
export type Op = 'start' | 'follow' | 'cancel';

/**
 * One conversation with the host: it says how it goes, sends the log, and how it ended. `keep` gets the shell back, where it
 * is as good as new.
 */
export function converse(
  { shell, keep }: { readonly shell: RootShell; readonly keep: (shell: RootShell) => void },
  op: Op,
  { target, job, log, options }: Topic,
  { onAlive, onWait }: Ears,
  signal: AbortSignal,
): Promise<End> {
  const text = job.script?.text ?? '';
  const hash = createHash('sha256').update(text).digest('hex');
  // The hash goes with the script, in one file: whoever starts it knows which one it is.
  const script = `# ${hash}\nexec 9<&-\n${assignments(job.values)}\n${text}\n`;
  const settings = {
    op,
    key: job.key,
    hash,
    from: log.begin(),
    limit: Math.max(1, Math.ceil(job.timeout / 1000)),
    blocks: Math.ceil(options.logLimit / 512),
    grace: options.grace,
    days: options.keepDays,
    fence: job.fence,
    rollout: job.rollout ?? '',
    length: Buffer.byteLength(script),
    state: options.state,
    volatile: options.volatile,
    supervisor: SUPERVISOR,
  };
  const set = Object.entries(settings).map(([name, value]) => `${name}=${quote(value)}`);
  return new Promise((resolve, reject) => {
    const words = new Words();
    const aborted = () => {
      shell.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', aborted);
    if (signal.aborted) return aborted();
    const program = `(\n${set.join('\n')}\n${BOOTSTRAP})\nprintf 'FW1 over %s\\n' $? >&2\n`;
    shell.start(program, op === 'start' ? script : '', {
      out: (chunk) => {
        log.take(chunk);
        over();
      },
      err: (chunk) => {
        if (words.take(chunk)) onAlive();
        if (words.isWaiting) onWait();
        over();
      },
    });
    const over = () => {
      const isWhole = !words.end || log.at >= words.end.size;
      if (words.over === undefined || !isWhole || signal.aborted) return;
      // What it has not read of a script would be taken for the next program.
      if (op !== 'start' || words.started) keep(shell);
      else shell.end();
      settle({ code: words.over });
    };
    void shell.ended.then((ended) => settle(ended));
    const settle = ({ code, signal: by }: Ended) => {
      signal.removeEventListener('abort', aborted);
      if (words.error) return reject(errorOf(target, job, words.error));
      if (words.end) {
        if (log.at < words.end.size) return reject(new LinkLost(target, `has more log than it sent`));
        return resolve(words.end);
      }
      // Without a word at the end the follower was cut off, or killed: the job itself may be well.
      const said = printable(words.rest.trim()).slice(-500);
      reject(
        code === undefined || code === 0 || words.attached
          ? new LinkLost(target, `the connection broke while following a job${by === undefined ? '' : ` (${by})`}`)
          : new ProtocolError(target, `the job could not be started (exit code ${code}): ${said}`),
      );
    };
  });
}

function errorOf(target: Target, job: Job, [kind, ...rest]: readonly string[]): SshError {
  if (kind === 'conflict') return new KeyConflict(target, job.key);
  if (kind === 'gone') return new JobLost(target, `there is no job ${job.key}`, '');
  if (kind === 'fenced') return new Fenced(target, job.fence, Number(rest[0]));
  if (kind === 'full') return new NoSpace(target, `no space left in ${rest.join(' ')}`);
  return new ProtocolError(target, `cannot ${rest.join(' ')}`, 'Look at the host: the file system may be read-only.');
}

/** Our own words among what comes on stderr. */
class Words {
  attached = false;
  /** The script has been read to its end. */
  started = false;
  /** Exit code of the conversation, when it is over. */
  over: number | undefined;
  /** Whether the last word was that the host waits for another job. */
  isWaiting = false;
  error: readonly string[] | undefined;
  end: (End & { readonly size: number }) | undefined;
  rest = '';
  #line = '';

  /** Whether the host spoke for the job. */
  take(chunk: Buffer): boolean {
    const lines = (this.#line + chunk.toString()).split('\n');
    this.#line = lines.pop()?.slice(-4096) ?? '';
    let heard = false;
    for (const line of lines) {
      const [mark, word, ...more] = line.split(' ');
      if (mark !== 'FW1') this.rest = `${this.rest}${line}\n`.slice(-4096);
      else if (word === 'error') this.error = more;
      else if (word === 'end') this.#ended(more.join(' '));
      else if (word === 'over') this.over = Number(more[0]);
      else {
        heard = this.attached = true;
        this.started ||= word === 'started';
        this.isWaiting = word === 'waiting';
      }
    }
    return heard;
  }

  #ended(words: string): void {
    const [, state = '', code, size, cut] = /^(\w+) ?(\d*) log=(\d+) cut=(\d+)/.exec(words) ?? [];
    this.end = { state, code: Number(code || 0), size: Number(size), cut: cut !== '0' };
  }
}
