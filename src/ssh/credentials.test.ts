import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createServer } from '../../test/ssh-server.ts';
import { createSshd, type Sshd, type SshdOptions } from '../../test/sshd.ts';
import { openLink } from './connection.ts';
import type { SshError } from './errors.ts';
import type { Target } from './host.ts';

vi.setConfig({ testTimeout: 30_000 });

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).toReversed()) close();
});

async function sshd(lines: readonly string[] = [], options: SshdOptions = {}): Promise<Sshd> {
  const it = await createSshd(lines, options);
  closing.push(() => it.remove());
  return it;
}

/** Which user one is there. */
async function login(target: Target, agent?: string): Promise<string> {
  const link = await openLink(target, {
    readyTimeout: 10_000,
    keepalive: 5_000,
    ...(agent !== undefined && { agent }),
  });
  closing.push(() => link.end());
  const channel = await link.exec('id -un', (it) => it);
  let said = '';
  channel.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(channel, 'close');
  return said.trim();
}

const failure = (target: Target, agent?: string): Promise<SshError> =>
  login(target, agent).then(
    () => expect.fail('it let us in'),
    (error: SshError) => error,
  );

/** A real ssh-agent; gives the path of its socket. */
async function agentWith(...keys: readonly string[]): Promise<string> {
  const folder = mkdtempSync('/dev/shm/farweave-agent-');
  const socket = join(folder, 'socket');
  const agent = spawn('/usr/bin/ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  closing.push(() => {
    agent.kill();
    rmSync(folder, { recursive: true });
  });
  await vi.waitFor(() => expect(existsSync(socket)).toBe(true), { timeout: 5_000 });
  for (const key of keys)
    execFileSync('/usr/bin/ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
  return socket;
}

/** A key that no host knows. */
function stranger(folder: string, n = 0): string {
  const path = join(folder, `stranger-${n}`);
  execFileSync('/usr/bin/ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  return path;
}

function without(target: Target): Target {
  const { privateKey: _, ...rest } = target;
  return rest;
}

describe('the ssh agent', () => {
  test('lets us in with whichever of its keys the host knows', async () => {
    const { target, folder } = await sshd();
    const agent = await agentWith(stranger(folder), join(folder, 'user'));
    expect(await login({ ...without(target), agent: true }, agent)).toBe('root');
  });

  test('is asked only where the spec says so', async () => {
    const { target, folder } = await sshd();
    const agent = await agentWith(join(folder, 'user'));
    expect(await failure(without(target), agent)).toMatchObject({ code: 'AuthenticationFailed' });
  });

  test('that is not there is told, with what to do', async () => {
    const { target } = await sshd();
    expect(await failure({ ...without(target), agent: true })).toMatchObject({
      code: 'AuthenticationFailed',
      message: expect.stringContaining('the worker has no ssh agent (SSH_AUTH_SOCK is not set)'),
      hint: expect.stringContaining('ssh-add'),
    });
    const gone = await failure({ ...without(target), agent: true }, '/nowhere/agent');
    expect(gone.message).toContain('nothing is at /nowhere/agent');
  });

  test('that does not serve leaves the password to be tried, and is told where that is refused too', async () => {
    const server = await createServer({ password: 'right', methods: ['publickey', 'password'] });
    closing.push(() => server.close());
    const target: Target = { ...server.target, agent: true };
    const folder = mkdtempSync('/dev/shm/farweave-agent-');
    closing.push(() => rmSync(folder, { recursive: true }));
    expect(await login(target, folder)).toBe('root');
    expect((await failure({ ...target, password: 'wrong' }, folder)).message).toMatch(
      /refuses the login of vagrant with .*the password; it takes publickey, password; the ssh agent at .* does not serve/,
    );
  });

  test('with more keys than a host tries is told apart from a host that is down', async () => {
    const { target, folder } = await sshd(['MaxAuthTries 3']);
    const agent = await agentWith(...Array.from({ length: 4 }, (_, n) => stranger(folder, n)), join(folder, 'user'));
    expect(await failure({ ...without(target), agent: true }, agent)).toMatchObject({
      code: 'AuthenticationFailed',
      message: expect.stringContaining('after the keys of the ssh agent: Too many authentication failures'),
      hint: expect.stringContaining('MaxAuthTries'),
    });
  });

  test('comes after the private key, and before the password', async () => {
    const { target, folder } = await sshd(['PasswordAuthentication yes']);
    const privateKey = readFileSync(stranger(folder), 'utf8');
    const error = await failure(
      { ...target, privateKey, agent: true, password: 'x' },
      await agentWith(stranger(folder, 1)),
    );
    expect(error.message).toContain('with the private key, the keys of the ssh agent, the password; it takes');
  });
});

describe('a private key', () => {
  test.each(['ed25519', 'ecdsa', 'rsa'])(
    'of the kind %s that OpenSSH has encrypted is opened by its passphrase',
    async (kind) => {
      const { target, folder } = await sshd();
      const path = join(folder, 'locked');
      execFileSync('/usr/bin/ssh-keygen', ['-q', '-t', kind, '-N', 'open sesame', '-f', path]);
      execFileSync('sh', ['-c', `cat ${path}.pub >> ${folder}/user.pub`]);
      const privateKey = readFileSync(path, 'utf8');
      expect(await login({ ...target, privateKey, passphrase: 'open sesame' })).toBe('root');
      expect(await failure({ ...target, privateKey })).toMatchObject({ hint: expect.stringContaining('passphrase') });
    },
  );
});

describe('a password that PAM knows', () => {
  const users = { users: { ada: 'pa ss"\'$word' } };
  const ada = (target: Target, password = users.users.ada): Target => ({ ...without(target), user: 'ada', password });

  test.each([
    ['password', ['PasswordAuthentication yes', 'KbdInteractiveAuthentication no']],
    ['keyboard-interactive', ['PasswordAuthentication no', 'KbdInteractiveAuthentication yes']],
  ])('lets us in by %s', async (_, lines) => {
    const { target } = await sshd(lines, users);
    expect(await login(ada(target))).toBe('ada');
    const error = await failure(ada(target, 'wrong'));
    expect(error).toMatchObject({ code: 'AuthenticationFailed' });
    expect(error.message).toContain('refuses the login of ada with the password; it takes');
  });

  test('follows a key where the host wants both', async () => {
    const { target } = await sshd(
      ['AuthenticationMethods publickey,keyboard-interactive', 'KbdInteractiveAuthentication yes'],
      users,
    );
    expect(await login({ ...ada(target), privateKey: target.privateKey ?? '' })).toBe('ada');
    expect((await failure(without({ ...ada(target) }))).message).toContain('it takes publickey');
  });
});

test.each(['::1', 'localhost'])('a host is reached by the address %s, on any port', async (address) => {
  const { target } = await sshd([], { address });
  expect(await login(target)).toBe('root');
});
