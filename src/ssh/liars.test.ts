import { afterEach, describe, expect, test, vi } from 'vitest';
import { createLiar, type Lie, SOCKET_LIES } from '../../test/liars.ts';
import { createServer } from '../../test/ssh-server.ts';
import { sh } from './command.ts';
import { printable, SshError } from './errors.ts';
import { createPool, type PoolOptions } from './pool.ts';

vi.setConfig({ testTimeout: 60_000 });

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Seconds become tenths of them. */
const QUICK = { readyTimeout: 1_500, opening: 1_500, keepalive: 500, reconnect: 1_500, grace: 1, margin: 500 } satisfies PoolOptions;

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
    const told = how === 'ask' ? await host.ask([sh`true`, sh`echo 2`], {}, { timeout: 3_000, limit: 1_000 }) : [await host.run(JOB)];
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
    expect(took).toBeLessThan(20_000);
    expect(most).toBeLessThan(150_000_000);
  });

  test.each<Lie>(['answers more than it was asked', 'begins one question again and again'])(
    '%s costs a bounded time and some memory, and is not believed more than it says',
    async (lie) => {
      const { took, most, told, error } = await tried(lie, 'ask');
      expect(error !== undefined || told.length === 2).toBe(true);
      expect(took).toBeLessThan(20_000);
      expect(most).toBeLessThan(150_000_000);
    },
  );

  test.each<Lie>([
    'has a job wait without end',
    'has a job live without end',
    'claims more log than it sends',
    'floods the log of a job',
    'says what no host says of a job',
  ])('%s costs a bounded time and some memory', async (lie) => {
    const { error, took, most } = await tried(lie, 'run');
    expect(error).toBeDefined();
    expect(error?.message).toBe(printable(error?.message ?? ''));
    expect(took).toBeLessThan(60_000);
    expect(most).toBeLessThan(150_000_000);
  });
});
