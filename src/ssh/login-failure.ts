import { AuthenticationFailed, printable, SshError, Unreachable } from './errors.ts';
import type { Target } from './host.ts';

interface Refusal {
  /** What was sent, as phrases. */
  readonly tried: readonly string[];
  /** The methods that the host takes; none is known before something was sent. */
  readonly left: readonly string[] | null;
  /** What kept the ssh agent from being asked. */
  readonly trouble: string | undefined;
}

/** Nothing of what we have is taken. */
export function refused(target: Target, { tried, left, trouble }: Refusal): AuthenticationFailed {
  const { user, password, privateKey } = target;
  const takes = left ? `it takes ${left.join(', ')}` : undefined;
  const has = password !== undefined || privateKey !== undefined || target.agent;
  const what =
    tried.length > 0
      ? `refuses the login of ${user} with ${tried.join(', ')}`
      : has
        ? `nothing to log in with as ${user}`
        : `no password and no private key is given for ${user}`;
  const said = [what, takes, trouble].filter((part) => part !== undefined).join('; ');
  return new AuthenticationFailed(target, said, trouble === undefined ? undefined : NO_AGENT);
}

const NO_AGENT =
  'Start an agent (eval $(ssh-agent)) and give it the key (ssh-add) where the worker is started; the worker of this machine takes the one of the next farweave command.';

/** The host wants a new password before anything else. */
export function expired(target: Target): AuthenticationFailed {
  return new AuthenticationFailed(
    target,
    `the password of ${target.user} has expired`,
    'Log in by hand once, set a new password, and put it into the spec.',
  );
}

/** By where in the login it happened, never by what the message says. */
export function classify(target: Target, error: unknown, tried: readonly string[] = []): SshError {
  if (error instanceof SshError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const level = error instanceof Error && 'level' in error ? error.level : undefined;
  if (level === 'client-authentication') return new AuthenticationFailed(target, message, undefined, error);
  const reason = error instanceof Error && 'code' in error ? error.code : undefined;
  // A disconnect message, which has a number, in answer to what was sent.
  if (typeof reason === 'number' && tried.length > 0)
    return new AuthenticationFailed(
      target,
      `ended the login of ${target.user} after ${tried.join(', ')}: ${printable(message).slice(0, 200)}`,
      tried.some((means) => means.includes('agent')) ? MANY_KEYS : undefined,
      error,
    );
  const code = typeof reason === 'string' ? reason : '';
  return new Unreachable(target, REASONS[code] ?? (level === 'client-timeout' ? 'no answer in time' : message), error);
}

const MANY_KEYS =
  'A host takes few keys a login (MaxAuthTries): keep the right one alone in the agent, or name it as privateKey.';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to its network',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'its name cannot be looked up now',
};
