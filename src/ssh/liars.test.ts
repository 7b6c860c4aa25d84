import { afterEach, describe, expect, test, vi } from 'vitest';
import { createLiar, LIES, type Lie, SOCKET_LIES } from '../../test/liars.ts';
import { createServer } from '../../test/ssh-server.ts';
import { sh } from './command.ts';
import { printable, SshError } from './errors.ts';
import type { Target } from './host.ts';
import { createPool, type PoolOptions } from './pool.ts';

vi.setConfig({ testTimeout: 120_000 });

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Seconds become tenths of them. */
const QUICK = {
  readyTimeout: 1_500,
  opening: 1_500,
  keepalive: 500,
  reconnect: 1_500,
  grace: 1,
  margin: 500,
} satisfies PoolOptions;

const JOB = { key: '0'.repeat(32), script: sh`true`, values: {}, fence: 1, timeout: 1_000 };

/** What becomes of asking a liar something, and of having it do something. */
async function tried(lie: Lie, how: 'ask' | 'run') {
  const liar = await createLiar(lie);
  closing.push(() => liar.close());
  const pool = createPool(QUICK);
  closing.push(() => pool.close());
  const began = performance.now();
  const before = process.memoryUsage();
  let most = 0;
  const watching = setInterval(() => {
    const { heapUsed, external } = process.memoryUsage();
    most = Math.max(most, heapUsed + external - before.heapUsed - before.external);
  }, 50);
  try {
    const host = await pool.connect(liar.target);
    const told =
      how === 'ask'
        ? await host.ask([sh`true`, sh`echo 2`], {}, { timeout: 60_000, limit: 1_000 })
        : [await host.run(JOB)];
    return { told, error: undefined, took: performance.now() - began, most, sent: liar.sent };
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    return { told: [], error, took: performance.now() - began, most, sent: liar.sent };
  } finally {
    clearInterval(watching);
  }
}

describe('a host that', () => {
  test.each<[Lie, string]>([
    ...SOCKET_LIES.map((lie) => [lie, 'Unreachable'] as [Lie, string]),
    ['hangs up after the login', 'LinkLost'],
    ['refuses channels', 'Unreachable'],
    ['never answers for a channel', 'Unreachable'],
    ['ends every command at once', 'SudoRefused'],
    ['gives a shell that says nothing', 'Unreachable'],
    ['floods who waits for a shell', 'Unreachable'],
    ['gives back what it is sent', 'Unreachable'],
    ['asks for the password again and again', 'SudoRefused'],
    ['begins a mark that never ends', 'Unreachable'],
    ['floods who asks', 'Unreachable'],
    ['is gone after the question', 'ProtocolError'],
  ])('%s costs a bounded time and some memory, and is told as %s', async (lie, code) => {
    const { error, took, most } = await tried(lie, 'ask');
    expect(error?.code).toBe(code);
    expect(error?.message).toBe(printable(error?.message ?? ''));
    expect(error?.message.length).toBeLessThan(1_500);
    expect(took).toBeLessThan(30_000);
    expect(most).toBeLessThan(150_000_000);
  });

  test.each<Lie>(['answers more than it was asked', 'begins one question again and again'])(
    '%s costs a bounded time and some memory, and is heard no further than it was asked',
    async (lie) => {
      const { took, most, told } = await tried(lie, 'ask');
      expect(told.length).toBeLessThanOrEqual(2);
      expect(took).toBeLessThan(30_000);
      expect(most).toBeLessThan(150_000_000);
    },
  );

  test.each<Lie>([
    'has a job live without end',
    'claims more log than it sends',
    'floods the log of a job',
    'says what no host says of a job',
  ])('%s, when it is to do something, costs a bounded time and some memory', async (lie) => {
    const { error, took, most } = await tried(lie, 'run');
    expect(error).toBeDefined();
    expect(error?.message).toBe(printable(error?.message ?? ''));
    expect(error?.message.length).toBeLessThan(1_500);
    expect(took).toBeLessThan(30_000);
    expect(most).toBeLessThan(150_000_000);
  });
});

test('hosts that lie, each in its own way, keep none of twenty others waiting in the same pool', async () => {
  const pool = createPool({ ...QUICK, readyTimeout: 4_000, opening: 4_000 });
  closing.push(() => pool.close());
  const liars = await Promise.all(LIES.map((lie) => createLiar(lie)));
  closing.push(...liars.map((liar) => () => liar.close()));
  const wrongKey = await createServer({ password: 'any' });
  const honest = await Promise.all(Array.from({ length: 20 }, () => createServer({ password: 'any' })));
  closing.push(...[wrongKey, ...honest].map((server) => () => server.close()));
  const ask = async (target: Target) =>
    (await pool.connect(target)).ask([sh`echo well`], {}, { timeout: 8_000, limit: 3_000 });

  const targets = [...liars.map(({ target }) => target), { ...wrongKey.target, hostKey: 'SHA256:other' }];
  let pending = targets.length;
  const lies = targets.map((target) =>
    ask(target)
      .then(
        () => 'answered',
        (error: SshError) => error.code,
      )
      .finally(() => pending--),
  );
  const began = performance.now();
  const answers = await Promise.all(honest.map(({ target }) => ask(target)));
  expect(answers.map(([answer]) => answer?.stdout)).toEqual(honest.map(() => 'well\n'));
  // They were at it all the while.
  expect(pending).toBeGreaterThan(5);
  expect(performance.now() - began).toBeLessThan(30_000);
  const codes = await Promise.all(lies);
  expect(codes.at(-1)).toBe('HostKeyChanged');
  expect(wrongKey.attempts).toEqual([]);
});
