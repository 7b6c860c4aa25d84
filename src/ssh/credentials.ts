import { realpathSync } from 'node:fs';
import type { AuthenticationType, ConnectConfig, utils } from 'ssh2';
import { AuthenticationFailed, type SshError } from './errors.ts';
import type { Target } from './host.ts';
import { refused } from './login-failure.ts';

interface Means {
  /** Path of the socket of the ssh agent, if there is one. */
  readonly agent: string | undefined;
  readonly parseKey: typeof utils.parseKey;
  readonly fail: (error: SshError) => void;
}

interface Login {
  /** Says what to try next. */
  readonly next: NonNullable<ConnectConfig['authHandler']>;
  /** Whether it is only the agent that failed: what else there is may still be taken. */
  readonly goesOn: (error: Error) => boolean;
  /** What was sent so far, as phrases. */
  readonly tried: readonly string[];
}

/**
 * How to log in, method by method: the private key, the keys of the agent, the password. The password is tried once: by
 * `keyboard-interactive` only where the host does not take it as `password`, since every refused attempt counts towards
 * locking the account.
 */
export function credentials(target: Target, { agent: path, parseKey, fail }: Means): Login {
  const { user: username, password, privateKey, passphrase } = target;
  const agent = target.agent && socketOf(path);
  const untried = new Set<keyof typeof SAID>();
  if (privateKey !== undefined) untried.add('publickey');
  if (typeof agent === 'string') untried.add('agent');
  if (password !== undefined) untried.add('password').add('keyboard-interactive');
  const tried: string[] = [];
  /** What kept the agent from being asked. */
  let trouble = typeof agent === 'object' ? agent.missing : undefined;
  let sent: keyof typeof SAID | undefined;
  const next: Login['next'] = (left, partial, answer) => {
    const wrong = sent === 'password' && !partial && left?.includes('password');
    if (wrong) untried.delete('keyboard-interactive');
    sent = [...untried].find((method) => left === null || left.includes(method === 'agent' ? 'publickey' : method));
    if (sent === undefined) return fail(refused(target, { tried, left, trouble }));
    untried.delete(sent);
    if (sent !== 'keyboard-interactive' || !tried.includes(SAID.password)) tried.push(SAID[sent]);
    if (sent === 'publickey') {
      const key = parseKey(privateKey ?? '', passphrase);
      return key instanceof Error || !privateKey
        ? fail(unreadable(target, key))
        : answer({ type: 'publickey', username, key: privateKey, ...(passphrase !== undefined && { passphrase }) });
    }
    if (sent === 'agent') return answer({ type: 'agent', username, agent: agent as string });
    if (sent === 'password') return answer({ type: 'password', username, password: password ?? '' });
    let answered = false;
    return answer({
      type: 'keyboard-interactive',
      username,
      prompt: (_name, _instructions, _language, prompts, finish) => {
        const asksForPassword = prompts.length === 1 && !prompts[0]?.echo && !answered;
        if (prompts.length > 0) answered = true;
        finish(asksForPassword ? [password ?? ''] : []);
      },
    });
  };
  return {
    next,
    goesOn: (error) => {
      if (!('level' in error) || error.level !== 'agent') return false;
      trouble ??= `the ssh agent at ${path} does not serve: ${error.message}`;
      return true;
    },
    tried,
  };
}

const SAID = {
  publickey: 'the private key',
  agent: 'the keys of the ssh agent',
  password: 'the password',
  'keyboard-interactive': 'the password',
} as const satisfies Partial<Record<AuthenticationType, string>>;

/** The path may be a link to the socket of whoever used this machine last. */
function socketOf(path: string | undefined): string | { readonly missing: string } {
  if (path === undefined || path === '') return { missing: 'the worker has no ssh agent (SSH_AUTH_SOCK is not set)' };
  try {
    return realpathSync(path);
  } catch {
    return { missing: `the worker has no ssh agent: nothing is at ${path}` };
  }
}

function unreadable(target: Target, cause: unknown): AuthenticationFailed {
  return new AuthenticationFailed(
    target,
    'the private key cannot be read',
    'Check the private key and its passphrase.',
    cause,
  );
}
