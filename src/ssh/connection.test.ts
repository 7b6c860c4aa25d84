import net from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createServer, keyPair, type Server, type ServerOptions } from '../../test/ssh-server.ts';
import { freePort } from '../../test/sshd.ts';
import { fingerprint, type Link, openLink } from './connection.ts';
import { AuthenticationFailed, HostKeyChanged, type SshError, Unreachable } from './errors.ts';
import type { Target } from './host.ts';

vi.setConfig({ testTimeout: 30_000 });

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function server(options: ServerOptions = { password: 'right' }): Promise<Server> {
  const it = await createServer(options);
  closing.push(() => it.close());
  return it;
}

async function login(target: Target, readyTimeout = 5_000): Promise<Link> {
  const link = await openLink(target, { readyTimeout, keepalive: 5_000 });
  closing.push(() => link.end());
  return link;
}

const failure = (target: Target, readyTimeout?: number): Promise<SshError> =>
  login(target, readyTimeout).then(
    () => expect.fail('it let us in'),
    (error: SshError) => error,
  );

const LOCKED = keyPair('ed25519', 'open');

const at = (port: number): Target => ({ name: 'vm0', address: '127.0.0.1', port, user: 'root', password: 'x' });

describe('a login', () => {
  test('succeeds with the password, sent once', async () => {
    const { target, attempts } = await server();
    await login(target);
    expect(attempts).toEqual([{ method: 'password', password: 'right' }]);
  });

  test('answers a keyboard-interactive prompt with the password where that is all the host takes', async () => {
    const { target, attempts } = await server({ password: 'right', methods: ['keyboard-interactive'] });
    await login(target);
    expect(attempts.map(({ method }) => method)).toEqual(['password', 'keyboard-interactive', 'answer']);
  });

  test('sends a wrong password once only, even where the host takes it in two ways', async () => {
    const { target, attempts } = await server({ password: 'right', methods: ['password', 'keyboard-interactive'] });
    const error = await failure({ ...target, password: 'wrong' });
    expect(error).toBeInstanceOf(AuthenticationFailed);
    expect(error.code).toBe('AuthenticationFailed');
    expect(attempts).toHaveLength(1);
  });

  test('answers a prompt that comes again only once', async () => {
    const { target, attempts } = await server({ password: 'right', methods: ['keyboard-interactive'] });
    expect((await failure({ ...target, password: 'wrong' })).code).toBe('AuthenticationFailed');
    expect(attempts.filter(({ method }) => method === 'answer')).toHaveLength(1);
  });

  test('uses a private key, with its passphrase, before the password', async () => {
    const { target, attempts } = await server({ password: 'right', methods: ['publickey', 'password'] });
    await login({ ...target, privateKey: LOCKED.private, passphrase: 'open' });
    expect(new Set(attempts.map(({ method }) => method))).toEqual(new Set(['publickey']));
  });

  test('says that a private key cannot be read, and why, without trying it', async () => {
    const { target, attempts } = await server({ methods: ['publickey'] });
    const error = await failure({ ...target, privateKey: LOCKED.private, passphrase: 'shut' });
    expect(error.code).toBe('AuthenticationFailed');
    expect(error.hint).toContain('passphrase');
    expect(attempts).toEqual([]);
  });

  test('says what the host would take when we have nothing for it', async () => {
    const { target } = await server({ methods: ['publickey'] });
    const error = await failure({ ...target, password: 'x' });
    expect(error.code).toBe('AuthenticationFailed');
    expect(error.message).toContain('publickey');
  });

  test('names the host, its address and its port in what goes wrong, and never the password', async () => {
    const { target } = await server();
    const error = await failure({ ...target, password: 'not-the-one' });
    expect(error.message).toContain(`vm0 (127.0.0.1:${target.port})`);
    expect(`${error.message} ${error.hint} ${JSON.stringify(error)}`).not.toContain('not-the-one');
  });
});

describe('a host key', () => {
  test('is reported as ssh-keygen shows it', async () => {
    const { target } = await server();
    expect((await login(target)).hostKey).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
  });

  test('that is the pinned one lets us go on', async () => {
    const { target } = await server();
    const { hostKey } = await login(target);
    expect((await login({ ...target, hostKey })).hostKey).toBe(hostKey);
  });

  test('that is another one ends it before any credential is sent', async () => {
    const { target, attempts } = await server();
    const error = await failure({ ...target, hostKey: 'SHA256:another' });
    expect(error).toBeInstanceOf(HostKeyChanged);
    expect(error).toMatchObject({
      code: 'HostKeyChanged',
      expected: 'SHA256:another',
      shown: expect.stringMatching(/^SHA256:/),
    });
    expect(attempts).toEqual([]);
  });

  test('may be pinned by any kind that the host has, though Ed25519 is what we ask for first', async () => {
    const keys = [keyPair('ed25519'), keyPair('ecdsa')];
    const [ed25519, ecdsa] = keys.map(({ public: key }) => fingerprint(Buffer.from(key.split(' ')[1] ?? '', 'base64')));
    const { target } = await server({ password: 'right', hostKeys: keys.map((key) => key.private) });
    expect((await login(target)).hostKey).toBe(ed25519);
    expect((await login({ ...target, hostKey: ecdsa ?? '' })).hostKey).toBe(ecdsa);
  });
});

describe('a host that cannot be reached', () => {
  test('because nothing listens is Unreachable', async () => {
    const error = await failure(at(await freePort()));
    expect(error).toBeInstanceOf(Unreachable);
    expect(error).toMatchObject({ code: 'Unreachable', message: expect.stringContaining('connection refused') });
  });

  test('because its name is unknown is Unreachable', async () => {
    expect(await failure({ ...at(22), address: 'no-such-host.invalid' })).toMatchObject({ code: 'Unreachable' });
  });

  test.each([
    ['closes at once', (socket: net.Socket) => socket.end()],
    ['resets', (socket: net.Socket) => socket.resetAndDestroy()],
    ['closes after its banner', (socket: net.Socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
    ['speaks something else', (socket: net.Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['says nothing', () => {}],
  ])('because it %s is Unreachable', async (_, answer) => {
    const sockets: net.Socket[] = [];
    const silent = net.createServer((socket) => {
      sockets.push(socket.on('error', () => {}));
      answer(socket);
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const address = silent.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    expect(await failure(at(port), 500)).toMatchObject({ code: 'Unreachable', place: { name: 'vm0', port } });
  });

  test('because it closes during the login is Unreachable', async () => {
    const { target } = await server({ login: 'none' });
    expect(await failure({ ...target, password: 'x' })).toMatchObject({ code: 'Unreachable' });
  });
});
