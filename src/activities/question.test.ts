import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Host } from '../ssh/host.ts';
import { ask, request } from './question.ts';

let server: Server;
let base: string;
beforeEach(async () => {
  server = createServer(({ url }, response) => {
    if (url === '/moved') response.writeHead(302, { location: '/' }).end();
    else if (url === '/long') response.end('x'.repeat(100_000));
    else response.writeHead(200, { 'X-Powered-By': 'NodeBB' }).end('hello\nthere');
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

it('answers as a command would: status line, headers, a blank line, the body', async () => {
  const { exitCode, stdout } = await request({ get: `${base}/` });
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\n(.+: .+\n)*x-powered-by: NodeBB\n(.+: .+\n)*\nhello\nthere$/);
});

it('does not follow a redirect', async () => {
  expect((await request({ get: `${base}/moved` })).stdout).toMatch(/^HTTP\/1\.1 302 Found\n(.*\n)*location: \/\n/);
});

it('reads the beginning of a long body only', async () => {
  const { stdout } = await request({ get: `${base}/long` });
  expect(stdout.slice(stdout.indexOf('\n\n') + 2)).toBe('x'.repeat(4096));
});

it('says that nobody is there by an exit code', async () => {
  await new Promise((closed) => server.close(closed));
  const { exitCode, stdout, stderr } = await request({ get: `${base}/` });
  expect([exitCode, stdout]).toEqual([7, '']);
  expect(stderr).toContain('ECONNREFUSED');
});

it('puts the questions for the host in one round trip, and gives all answers in their order', async () => {
  const trips: string[][] = [];
  const host: Host = {
    hostKey: '',
    ask: async (questions) => {
      trips.push(questions.map(({ text }) => text));
      return questions.map(({ text }) => ({ exitCode: 0, stdout: text, stderr: '' }));
    },
    run: () => Promise.reject(new Error('nobody asked for a change')),
  };
  const answers = await ask(host, [{ text: 'one' }, { get: `${base}/` }, { text: 'two' }], {}, attempts);
  expect(trips).toEqual([['one', 'two']]);
  expect(answers.map(({ stdout }) => stdout.split('\n')[0])).toEqual(['one', 'HTTP/1.1 200 OK', 'two']);
});

const attempts = {
  tryKey: async (key: string) => ({ exitCode: 0, stdout: key, stderr: '' }),
  trySight: async (hostKey: string) => ({ exitCode: 0, stdout: `saw ${hostKey}`, stderr: '' }),
};

it.each([
  [
    'looks from here for the key that a host says it has',
    { exitCode: 0, stdout: 'SHA256:x\n', stderr: '' },
    'saw SHA256:x',
  ],
  ['does not look where the host names none', { exitCode: 1, stdout: '', stderr: 'none' }, ''],
])('%s', async (_, told, stdout) => {
  const host = { hostKey: 'SHA256:y', ask: async () => [told], run: () => Promise.reject(new Error('nobody asked')) };
  const [answer] = await ask(host, [{ shows: { text: 'which' } }], {}, attempts);
  expect(answer).toMatchObject({ exitCode: told.exitCode, stdout });
});
