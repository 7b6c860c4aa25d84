import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { assignments } from './ask.ts';
import { type Output, quote } from './command.ts';
import {
  AuthenticationFailed,
  Cancelled,
  Detached,
  Fenced,
  isLoss,
  JobLost,
  KeyConflict,
  LinkLost,
  NoSpace,
  ProtocolError,
  printable,
  SshError,
  TimedOut,
  Unreachable,
} from './errors.ts';
import type { Job, Target, Watch } from './host.ts';
import type { RootShell } from './root-shell.ts';

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
}

const read = (name: string) => readFileSync(new URL(`./remote/${name}`, import.meta.url), 'utf8');
const BOOTSTRAP = read('bootstrap.sh');
const SUPERVISOR = read('supervisor.sh');

/** Of the log, in what a job answers. */
const TAIL = 64 * 1024;
/** Between signs of life that are ours, while there is no link. */
const TICK = 2_000;
/** A host that had a job and refuses the login may be booting (pam_nologin), but must not be asked for ever. */
const LOGINS = 3;

/**
 * Starts a job on its host, or finds the one with its key, and follows it to its end, over as many connections as it takes.
 * Rejects with KeyConflict, Fenced or NoSpace (nothing was started), TimedOut, Cancelled, JobLost, Detached, Unreachable.
 */
export async function runJob(
  openShell: () => Promise<RootShell>,
  target: Target,
  job: Job,
  watch: Watch,
  options: JobOptions,
): Promise<Output> {
  if (!/^[0-9a-f]{32}$/.test(job.key)) throw new TypeError(`not a key: ${job.key}`);
  const log = new Log(watch.offset ?? 0, watch.onLog);
  const follow = (op: 'start' | 'cancel', signal: AbortSignal) =>
    persist(target, options.reconnect, watch.onAlive, signal, async (alive) =>
      converse(await unlessAborted(openShell(), signal), target, op, job, log, alive, signal, options),
    );
  const detach = watch.detach ?? new AbortController().signal;
  const overdue = AbortSignal.timeout(Math.min(job.timeout + options.grace * 1000 + 120_000, 2 ** 31 - 1));
  try {
    const signals = [detach, overdue, ...(watch.cancel ? [watch.cancel] : [])];
    return outcome(target, job, await follow('start', AbortSignal.any(signals)), log.tail());
  } catch (error) {
    if (error instanceof SshError) throw error;
    if (detach.aborted) throw new Detached(target, `let go of the job ${job.key}`);
    if (!watch.cancel?.aborted) throw new ProtocolError(target, `did not end the job ${job.key} in time`);
  }
  const ending = AbortSignal.timeout(options.reconnect + options.grace * 1000 + 30_000);
  try {
    await follow('cancel', AbortSignal.any([detach, ending]));
  } catch (error) {
    if (error instanceof SshError) throw error;
    if (detach.aborted) throw new Detached(target, `let go of the job ${job.key} while it was being cancelled`);
    throw new ProtocolError(target, `did not end the cancelled job ${job.key} in time`);
  }
  throw new Cancelled(target, `the job ${job.key} was cancelled`, log.tail());
}

/** As the host's supervisor wrote it: `exit 0 log=12 cut=0`. */
interface End {
  readonly state: string;
  readonly code: number;
  readonly cut: boolean;
}

function outcome(target: Target, { key, timeout }: Job, { state, code, cut }: End, log: string): Output {
  if (state === 'timeout') throw new TimedOut(target, `the job ${key} did not end within ${timeout / 1000} s`, log);
  if (state === 'cancelled') throw new Cancelled(target, `the job ${key} was cancelled`, log);
  if (state === 'killed') throw new JobLost(target, `the job ${key} was ended from outside, as by a shutdown`, log);
  if (state !== 'exit') throw new JobLost(target, `the job ${key} was lost: it began and never reported its end`, log);
  return { exitCode: code, stdout: cut ? `${log}\n[the log was cut here]\n` : log, stderr: '' };
}

/** Tries again while the link is what fails, for a bounded time since the host was last heard. */
async function persist<Result>(
  target: Target,
  patience: number,
  onAlive: (() => void) | undefined,
  signal: AbortSignal,
  attempt: (alive: () => void) => Promise<Result>,
): Promise<Result> {
  let heard = Date.now();
  let logins = 0;
  for (let wait = 250; ; wait = Math.min(wait * 2, 5_000)) {
    // Until the host speaks for the job, we do.
    const ticker = setInterval(() => onAlive?.(), TICK);
    try {
      return await attempt(() => {
        clearInterval(ticker);
        heard = Date.now();
        wait = 250;
        logins = 0;
        onAlive?.();
      });
    } catch (error) {
      signal.throwIfAborted();
      const booting = error instanceof AuthenticationFailed && wait > 250 && ++logins < LOGINS;
      if (!isLoss(error) && !booting) throw error;
      if (Date.now() - heard + wait > patience) {
        throw new Unreachable(
          target,
          `not heard of for ${Math.round((Date.now() - heard) / 1000)} s while a job runs there`,
          error,
        );
      }
      await pause(wait, undefined, { signal });
    } finally {
      clearInterval(ticker);
    }
  }
}

/** One conversation with the host: it says how it goes, sends the log, and how it ended. */
function converse(
  shell: RootShell,
  target: Target,
  op: 'start' | 'cancel',
  job: Job,
  log: Log,
  alive: () => void,
  signal: AbortSignal,
  options: JobOptions,
): Promise<End> {
  const hash = createHash('sha256').update(job.script.text).digest('hex');
  // The hash goes with the script, in one file: whoever starts it knows which one it is.
  const script = `# ${hash}\nexec 9<&-\n${assignments(job.values)}\n${job.script.text}\n`;
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
    shell.start(`${set.join('\n')}\n${BOOTSTRAP}`, op === 'start' ? script : '', {
      out: (chunk) => log.take(chunk),
      err: (chunk) => {
        if (words.take(chunk)) alive();
      },
    });
    void shell.ended.then(({ code, signal: by }) => {
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
    });
  });
}

function errorOf(target: Target, job: Job, [kind, ...rest]: readonly string[]): SshError {
  if (kind === 'conflict') return new KeyConflict(target, job.key);
  if (kind === 'fenced') return new Fenced(target, job.fence, Number(rest[0]));
  if (kind === 'full') return new NoSpace(target, `no space left in ${rest.join(' ')}`);
  return new ProtocolError(target, `cannot ${rest.join(' ')}`, 'Look at the host: the file system may be read-only.');
}

/** Our own words among what comes on stderr. */
class Words {
  attached = false;
  error: readonly string[] | undefined;
  end: (End & { readonly size: number }) | undefined;
  rest = '';
  #line = '';

  /** Whether the host said that the job is there. */
  take(chunk: Buffer): boolean {
    const lines = (this.#line + chunk.toString()).split('\n');
    this.#line = lines.pop()?.slice(-4096) ?? '';
    let heard = false;
    for (const line of lines) {
      const [mark, word, ...more] = line.split(' ');
      if (mark !== 'FW1') this.rest = `${this.rest}${line}\n`.slice(-4096);
      else if (word === 'error') this.error = more;
      else if (word === 'end') this.#ended(more.join(' '));
      else heard = this.attached = true;
    }
    return heard;
  }

  #ended(words: string): void {
    const [, state = '', code, size, cut] = /^(\w+) ?(\d*) log=(\d+) cut=(\d+)/.exec(words) ?? [];
    this.end = { state, code: Number(code || 0), size: Number(size), cut: cut !== '0' };
  }
}

/** Hands the log on from an offset, and keeps its end. */
class Log {
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

async function unlessAborted(opening: Promise<RootShell>, signal: AbortSignal): Promise<RootShell> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([opening, aborted]);
  } catch (error) {
    opening.then(
      (unwanted) => unwanted.destroy(),
      () => {},
    );
    throw error;
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
  }
}
