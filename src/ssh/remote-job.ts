import { setTimeout as pause } from 'node:timers/promises';
import { assignments } from './ask.ts';
import type { Output } from './command.ts';
import { converse, type End, type JobOptions, type Op } from './conversation.ts';
import {
  AuthenticationFailed,
  Cancelled,
  Detached,
  isLoss,
  JobLost,
  ProtocolError,
  SshError,
  TimedOut,
  Unreachable,
} from './errors.ts';
import type { Job, Target, Watch } from './host.ts';
import { Log } from './log.ts';
import { type RootShell, unlessAborted } from './root-shell.ts';

/** Between signs of life that are ours, while there is no link. */
const TICK = 2_000;
/** A host that had a job and refuses the login may be booting (pam_nologin), but must not be asked for ever. */
const LOGINS = 3;

/**
 * Starts a job on its host, or finds the one with its key, and follows it to its end, over as many connections as it takes.
 * Rejects with KeyConflict, Fenced or NoSpace (nothing was started), TimedOut, Cancelled, JobLost, Detached, Unreachable.
 */
export async function runJob(
  shells: { readonly open: () => Promise<RootShell>; readonly keep: (shell: RootShell) => void },
  target: Target,
  job: Job,
  watch: Watch,
  options: JobOptions,
): Promise<Output> {
  if (!/^[0-9a-f]{32}$/.test(job.key)) throw new TypeError(`not a key: ${job.key}`);
  assignments(job.values); // throws before anything is sent
  const log = new Log(watch.offset ?? 0, watch.onLog);
  const topic = { target, job, log, options };
  const overdue = new Overdue(job.timeout + options.grace * 1000 + options.margin);
  const onWait = () => overdue.restart();
  const follow = (op: Op, signal: AbortSignal) =>
    persist(target, options.reconnect, watch.onAlive, signal, async (onAlive) =>
      converse(
        { shell: await unlessAborted(shells.open(), signal), keep: shells.keep },
        op,
        topic,
        { onAlive, onWait },
        signal,
      ),
    );
  const detach = watch.detach ?? new AbortController().signal;
  try {
    const signals = [detach, overdue.signal, ...(watch.cancel ? [watch.cancel] : [])];
    return outcome(target, job, await follow(job.script ? 'start' : 'follow', AbortSignal.any(signals)), log.tail());
  } catch (error) {
    if (error instanceof SshError) throw error;
    if (detach.aborted) throw new Detached(target, `let go of the job ${job.key}`);
    if (!watch.cancel?.aborted) throw new ProtocolError(target, `did not end the job ${job.key} in time`);
  } finally {
    overdue.stop();
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

function outcome(target: Target, { key, timeout }: Job, { state, code, cut }: End, log: string): Output {
  if (state === 'timeout') throw new TimedOut(target, `the job ${key} did not end within ${timeout / 1000} s`, log);
  if (state === 'cancelled') throw new Cancelled(target, `the job ${key} was cancelled`, log);
  if (state === 'killed') throw new JobLost(target, `the job ${key} was ended from outside, as by a shutdown`, log);
  if (state !== 'exit') throw new JobLost(target, `the job ${key} was lost: it began and never reported its end`, log);
  return { exitCode: code, stdout: cut ? `${log}\n[the log was cut here]\n` : log, stderr: '' };
}

/** Aborts when the time of a job is over, which does not run while its host waits for another one: that has a limit too. */
class Overdue {
  readonly #controller = new AbortController();
  readonly #limit: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param limit in milliseconds */
  constructor(limit: number) {
    this.#limit = Math.min(limit, 2 ** 31 - 1);
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    this.stop();
    this.#timer = setTimeout(() => this.#controller.abort(), this.#limit);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
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
      if (booting) wait = Math.max(wait, 4_000);
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
