import { AuthenticationFailed, SshError, Unreachable } from './errors.ts';
import type { Target } from './host.ts';

/** Nothing of what we have is taken. */
export function refused(target: Target, left: readonly string[] | null): AuthenticationFailed {
  const given = [target.privateKey && 'a private key', target.password !== undefined && 'a password'].filter(Boolean);
  const methods = left ? `; it takes ${left.join(', ')}` : '';
  return new AuthenticationFailed(
    target,
    given.length > 0
      ? `refuses the login of ${target.user} with ${given.join(' and ')}${methods}`
      : `no password and no private key is given for ${target.user}`,
  );
}

/** The host wants a new password before anything else. */
export function expired(target: Target): AuthenticationFailed {
  return new AuthenticationFailed(
    target,
    `the password of ${target.user} has expired`,
    'Log in by hand once, set a new password, and put it into the spec.',
  );
}

/** By where in the login it happened, never by what the message says. */
export function classify(target: Target, error: unknown): SshError {
  if (error instanceof SshError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const level = error instanceof Error && 'level' in error ? error.level : undefined;
  if (level === 'client-authentication') return new AuthenticationFailed(target, message, undefined, error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  return new Unreachable(target, REASONS[code] ?? (level === 'client-timeout' ? 'no answer in time' : message), error);
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to its network',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'its name cannot be looked up now',
};
