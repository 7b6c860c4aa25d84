/** Where something went wrong. A {@link Target} is one. */
export interface Place {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** Stable: what is done about an error is decided by its code, never by its message. */
export type SshErrorCode =
  | 'Unreachable'
  | 'AuthenticationFailed'
  | 'SudoRefused'
  | 'HostKeyChanged'
  | 'LinkLost'
  | 'NoSpace'
  | 'KeyConflict'
  | 'Fenced'
  | 'JobLost'
  | 'TimedOut'
  | 'Cancelled'
  | 'Detached'
  | 'ProtocolError';

/** Why a machine gave no answer: what is wrong, where, and what to do next. */
export abstract class SshError extends Error {
  abstract readonly code: SshErrorCode;
  readonly place: Place;
  readonly hint: string;
  /** The end of the remote log, where there is one. Raw: show it through {@link printable}. */
  readonly log?: string;

  constructor(place: Place, what: string, hint: string, { log, cause }: { log?: string; cause?: unknown } = {}) {
    super(`${place.name} (${place.address}:${place.port}): ${what}`, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    // A target is a place too, and holds passwords.
    this.place = { name: place.name, address: place.address, port: place.port };
    this.hint = hint;
    if (log !== undefined) this.log = log;
  }
}

/** No connection (refused, reset, no route, no such name, closed before the login was finished), or no answer in time. */
export class Unreachable extends SshError {
  readonly code = 'Unreachable';

  constructor(place: Place, what: string, cause?: unknown, hint = CHECK_HOST) {
    super(place, what, hint, { cause });
  }
}

const CHECK_HOST = 'Check that the host is up, that its address and port are right, and that sshd listens there.';

/** The machine answers but does not let us in. */
export class AuthenticationFailed extends SshError {
  readonly code: 'AuthenticationFailed' | 'SudoRefused' = 'AuthenticationFailed';

  constructor(
    place: Place,
    what: string,
    hint = 'Check user, password and key of this host, and that its sshd allows them.',
    cause?: unknown,
  ) {
    super(place, what, hint, { cause });
  }
}

/** Logged in, but not let become root: the password is wrong, or the user may not. */
export class SudoRefused extends AuthenticationFailed {
  override readonly code = 'SudoRefused';

  constructor(place: Place, what: string, hint = 'Check the sudo password, and that the user may run sudo here.') {
    super(place, what, hint);
  }
}

/** Another machine, or the same one rebuilt. No credential was sent to it. */
export class HostKeyChanged extends SshError {
  readonly code = 'HostKeyChanged';
  readonly expected: string;
  readonly shown: string;

  constructor(place: Place, expected: string, shown: string) {
    super(
      place,
      `shows the host key ${shown}, not ${expected}`,
      `If the host was rebuilt on purpose, accept its key: farweave hostkeys accept ${place.name} (one that the spec names is changed there). If not, somebody stands in between.`,
    );
    this.expected = expected;
    this.shown = shown;
  }
}

/** The connection broke after it had been made. It proves nothing about what runs on the host. */
export class LinkLost extends SshError {
  readonly code = 'LinkLost';

  constructor(place: Place, what: string, cause?: unknown) {
    super(place, what, 'Try again: what ran on the host is still there and is found again.', { cause });
  }
}

/** Nothing was started, since it could not be written down. */
export class NoSpace extends SshError {
  readonly code = 'NoSpace';

  constructor(place: Place, what: string) {
    super(place, what, 'Free some space (or inodes) on the file system of that folder, then try again.');
  }
}

/** The key belongs to another script, so nothing was started. That script has ended. */
export class KeyConflict extends SshError {
  readonly code = 'KeyConflict';

  constructor(place: Place, key: string) {
    super(
      place,
      `the job ${key} exists with another script`,
      'A step changed under a rollout that has begun; start a new rollout.',
    );
  }
}

/** A newer rollout has been here, so nothing was started. */
export class Fenced extends SshError {
  readonly code = 'Fenced';
  readonly fence: number;
  readonly seen: number;

  constructor(place: Place, fence: number, seen: number) {
    super(
      place,
      `refused: this attempt has the fence ${fence}, and the host has seen ${seen}`,
      'A newer rollout has changed this host since; let that one decide.',
    );
    this.fence = fence;
    this.seen = seen;
  }
}

/** The job began and will never report: it was killed, or the host went down under it. It may be done again under a new key. */
export class JobLost extends SshError {
  readonly code = 'JobLost';

  constructor(place: Place, what: string, log: string) {
    super(place, what, 'Look at what it left behind; the step is asked for again before it is repeated.', { log });
  }
}

/** A job that took longer than it was given. Nothing of it runs on. */
export class TimedOut extends SshError {
  readonly code = 'TimedOut';

  constructor(place: Place, what: string, log?: string) {
    super(
      place,
      what,
      'See the log for what it waited for; once that is there, try again.',
      log === undefined ? {} : { log },
    );
  }
}

/** Ended because the caller wanted so. Nothing of it runs on. */
export class Cancelled extends SshError {
  readonly code = 'Cancelled';

  constructor(place: Place, what: string, log?: string) {
    super(place, what, 'It was asked for.', log === undefined ? {} : { log });
  }
}

/** The caller let go of the job, which runs on. */
export class Detached extends SshError {
  readonly code = 'Detached';

  constructor(place: Place, what: string) {
    super(place, what, 'The job runs on; the next attempt with its key follows it.');
  }
}

/** The host answered something that makes no sense to us. */
export class ProtocolError extends SshError {
  readonly code = 'ProtocolError';

  constructor(
    place: Place,
    what: string,
    hint = 'Look at the host: a login script that prints or reads may be in the way.',
  ) {
    super(place, what, hint);
  }
}

/** Whether it is the way to the host that failed, so that another connection may help. */
export function isLoss(error: unknown): error is LinkLost | Unreachable {
  return error instanceof LinkLost || error instanceof Unreachable;
}

/** Control characters and text direction marks made visible, so that a terminal only shows what a host said. Keeps newlines and tabs. */
export function printable(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => {
      const code = character.charCodeAt(0);
      return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
    },
  );
}
