import { afterEach, describe, expect, test, vi } from 'vitest';
import { createServer, keyPair, type Server, type ServerOptions } from '../../test/ssh-server.ts';
import { sh } from './command.ts';
import { type SshError, SudoRefused } from './errors.ts';
import type { Target } from './host.ts';
import { createPool } from './pool.ts';

vi.setConfig({ testTimeout: 30_000 });

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).toReversed()) close();
});

async function server(options: ServerOptions): Promise<Server> {
  const it = await createServer({ password: 'login', ...options });
  closing.push(() => it.close());
  return it;
}

async function ask(target: Target, count = 1) {
  const pool = createPool();
  closing.push(() => void pool.close());
  const host = await pool.connect(target);
  return Promise.all(Array.from({ length: count }, () => host.ask([sh`echo it is me`], {})));
}

const refusal = (target: Target, count?: number): Promise<SshError> =>
  ask(target, count).then(
    () => expect.fail('sudo let us in'),
    (error: SshError) => error,
  );

describe('becoming root', () => {
  test('takes the login password where no other is given, and sends it once a shell', async () => {
    const it = await server({ sudo: 'login' });
    expect(await ask(it.target)).toMatchObject([[{ exitCode: 0, stdout: 'it is me\n' }]]);
    expect(new Set(it.sudoAttempts)).toEqual(new Set(['login']));
  });

  test('takes the password for sudo before that of the login', async () => {
    const it = await server({ sudo: 'other' });
    await ask({ ...it.target, sudoPassword: 'other' });
    expect(new Set(it.sudoAttempts)).toEqual(new Set(['other']));
  });

  test('sends no password where sudo asks for none', async () => {
    const it = await server({ sudo: { is: 'nopasswd' } });
    expect(await ask(it.target)).toMatchObject([[{ exitCode: 0, stdout: 'it is me\n', stderr: '' }]]);
    expect(it.sudoAttempts).toEqual([]);
  });

  test.each([1, 5])('tries a wrong password once, however many ask at once (%i)', async (count) => {
    const it = await server({ sudo: 'right' });
    const error = await refusal({ ...it.target, sudoPassword: 'wrong' }, count);
    expect(error).toBeInstanceOf(SudoRefused);
    expect(error).toMatchObject({ code: 'SudoRefused', message: expect.stringContaining('vagrant') });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(it.sudoAttempts).toEqual(['wrong']);
  });

  test('is refused to a user who may not, in the words of the host', async () => {
    const it = await server({ sudo: { is: 'refuses' } });
    const error = await refusal({ ...it.target, sudoPassword: '' });
    expect(error).toMatchObject({ code: 'SudoRefused', message: expect.stringContaining('not in the sudoers file') });
  });

  test('says that sudo is missing', async () => {
    const { target } = await server({ sudo: { is: 'missing' } });
    expect(await refusal(target)).toMatchObject({ code: 'SudoRefused', hint: expect.stringContaining('Install sudo') });
  });

  test('says that a password is needed where none is known', async () => {
    const it = await server({ sudo: 'right', methods: ['keyboard-interactive', 'publickey'] });
    const { password: _, ...target } = it.target;
    const privateKey = keyPair('ed25519').private;
    expect(await refusal({ ...target, privateKey })).toMatchObject({
      code: 'SudoRefused',
      message: expect.stringContaining('none is given'),
    });
    expect(it.sudoAttempts).toEqual([]);
  });

  test('needs no sudo for root', async () => {
    const it = await server({ sudo: { is: 'refuses' } });
    expect(await ask({ ...it.target, user: 'root' })).toMatchObject([[{ stdout: 'it is me\n' }]]);
  });

  test('goes by doas where that is asked for, and needs no sudo', async () => {
    const it = await server({ doas: 'nopass', sudo: { is: 'refuses' } });
    expect(await ask({ ...it.target, become: 'doas' })).toMatchObject([[{ exitCode: 0, stdout: 'it is me\n' }]]);
    expect(it.sudoAttempts).toEqual([]);
  });

  test('says what to do about a doas that asks for a password, and gives it none', async () => {
    const it = await server({ doas: 'asks' });
    expect(await refusal({ ...it.target, become: 'doas', sudoPassword: 'x' })).toMatchObject({
      code: 'SudoRefused',
      message: expect.stringContaining('doas does not let vagrant become root: doas: Authentication required'),
      hint: expect.stringContaining('permit nopass vagrant as root'),
    });
  });

  test('says that doas is missing', async () => {
    const { target } = await server({ sudo: { is: 'missing' } });
    expect(await refusal({ ...target, become: 'doas' })).toMatchObject({
      code: 'SudoRefused',
      hint: expect.stringContaining('Install doas'),
    });
  });
});
