import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { HostKeyChanged, printable, SshError, type SshErrorCode } from '../ssh/errors.ts';
import type { Crowded } from '../ssh/limits.ts';
import { belongs, type Marker, OWNED, OWNED_HINT, read as readMarker } from '../ssh/marker.ts';
import type { FailureDetail, FailureType } from './contract.ts';

/** What a failure of `src/ssh` means to the reader. `ended`: the job on the host is over, so that a new attempt needs a new one. */
const CLASSES: Readonly<Record<SshErrorCode, Readonly<{ type: FailureType; ended?: true }>>> = {
  Unreachable: { type: 'Unreachable' },
  LinkLost: { type: 'Unreachable' },
  AuthenticationFailed: { type: 'AuthenticationFailed' },
  SudoRefused: { type: 'AuthenticationFailed' },
  HostKeyChanged: { type: 'HostKeyChanged' },
  BastionKeyChanged: { type: 'BastionKeyChanged' },
  NoSpace: { type: 'NoSpace', ended: true },
  Fenced: { type: 'Superseded' },
  TimedOut: { type: 'CommandFailed', ended: true },
  JobLost: { type: 'CommandFailed', ended: true },
  Cancelled: { type: 'CommandFailed', ended: true },
  KeyConflict: { type: 'CommandFailed', ended: true }, // of a worker of another release: what it ran is over
  Detached: { type: 'Unexpected' },
  ProtocolError: { type: 'Unexpected' },
};

/** By convention scripts of roles end with these exit codes: EX_TEMPFAIL where another holds the package manager, and 28 (ENOSPC). */
const EXIT_CODES: Readonly<Record<number, FailureType>> = { 75: 'PackageManagerLocked', 28: 'NoSpace' };

/** What to do about a failure, where whoever found it does not know better. */
const HINTS: Readonly<Record<FailureType, string>> = {
  Unreachable: 'Check that the host is up and that sshd listens where the spec says.',
  AuthenticationFailed: 'Check user, password and key of this host.',
  BastionKeyChanged: 'Find out whether the bastion was rebuilt on purpose.',
  HostKeyChanged: 'Find out whether the host was rebuilt on purpose.',
  PackageManagerLocked: 'Let the process that is named finish, or end it if it hangs; then try again.',
  CommandFailed: 'The log says what failed: put that right on the host, then try again.',
  NotConverged: 'See what is and what should be: farweave plan --check. Something else on the host may change it back.',
  NoSpace: 'Make room on the disk of this host, then try again.',
  StateUnknown:
    'Nothing was changed, since the question failed: see that what is asked runs on this host, then try again.',
  GateClosed: 'No further host was touched: bring this one back to health, then try again.',
  UnknownOperation: 'The plan is newer than the workers: upgrade the workers.',
  InvalidArguments: 'Plan and workers do not fit together: bring both to the same version, and apply again.',
  Owned: OWNED_HINT,
  Superseded: 'Somebody else has begun a newer rollout: watch that one.',
  Unexpected: 'This was not foreseen: the log of the worker has more.',
};

/** Never retried by the activity's own policy: that is for lost workers. The workflow retries by type. */
export function failure(type: FailureType, message: string, detail: Partial<FailureDetail> = {}): ApplicationFailure {
  const details = [{ results: [], hint: HINTS[type], ...detail } satisfies FailureDetail];
  return ApplicationFailure.create({ type, message, nonRetryable: true, details });
}

/** A script that ended, but not with 0. `log` is the end of what it wrote. */
export function exitFailure(exitCode: number, log: string): ApplicationFailure {
  if (exitCode === OWNED) return owned(readMarker(log.trimEnd().split('\n').at(-1) ?? ''), { ended: true });
  const last = lastLines(log, 1).slice(0, 300);
  const message = `exit code ${exitCode}${last && `: ${last}`}`;
  return failure(EXIT_CODES[exitCode] ?? 'CommandFailed', message, { log: lastLines(log, 40), ended: true });
}

/** The host is somebody else's, and was left alone. */
export function owned(marker: Marker, detail: Partial<FailureDetail> = {}): ApplicationFailure {
  return failure('Owned', `the host ${belongs(marker)}`, detail);
}

/** A cancellation that tells, like any failure, what had been done before it. */
export const cancelled = (detail: FailureDetail) => new CancelledFailure('cancelled', [detail]);

/** The only failure that the activity's own policy retries. Soon: the next worker may be waiting. */
export const handedOver = () =>
  ApplicationFailure.create({
    type: 'WorkerShutdown',
    message: 'the worker shut down; the next one follows what runs on the host',
    nextRetryDelay: '200ms',
  });

/** Others were before it. Tried again soon, and not at the same moment as all the others that were too late. */
export const crowded = ({ message }: Crowded) =>
  ApplicationFailure.create({ type: 'Crowded', message, nextRetryDelay: 2_000 + Math.random() * 8_000 });

/** As a failure of the activity. `where` comes before the message; what is known of it goes into its detail; `redact` takes out secrets. */
export function classify(
  error: unknown,
  where: string,
  known: Partial<FailureDetail> = {},
  redact: (text: string) => string = (text) => text,
): ApplicationFailure {
  if (error instanceof ApplicationFailure && error.nonRetryable !== true) return error;
  const { type, message, detail } = read(error, redact);
  const { log, hint, ...rest } = { ...known, ...detail };
  return failure(type, redact(`${where}: ${message}`), {
    ...rest,
    ...(log !== undefined && { log: redact(log) }),
    ...(hint !== undefined && { hint: redact(hint) }),
  });
}

function read(
  error: unknown,
  redact: (text: string) => string,
): { type: FailureType; message: string; detail: Partial<FailureDetail> } {
  if (error instanceof ApplicationFailure) {
    const { results: _, ...detail } = (error.details?.[0] ?? {}) as FailureDetail;
    return { type: error.type as FailureType, message: error.message, detail };
  }
  if (!(error instanceof SshError)) return { type: 'Unexpected', message: String(error), detail: {} };
  const { type, ended } = CLASSES[error.code];
  // Secrets go before lines are cut off and characters escaped.
  const log = error.log === undefined ? {} : { log: lastLines(redact(error.log), 40) };
  // For the question whether that key is to be taken.
  const shown = error instanceof HostKeyChanged ? { shownKey: error.shown } : {};
  return { type, message: error.message, detail: { hint: error.hint, ...log, ...shown, ...(ended && { ended }) } };
}

/** The end of a log in a form that is safe to print. */
export function lastLines(log: string, count: number): string {
  return printable(log.trimEnd().split('\n').slice(-count).join('\n'));
}
