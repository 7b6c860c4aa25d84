import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createServer, keyPair, type Server, type ServerOptions } from '../../test/ssh-server.ts';
import { createRelay, createSshd, type Relay } from '../../test/sshd.ts';
import { sh } from './command.ts';
import { Crowded } from './limits.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';

vi.setConfig({ testTimeout: 30_000 });

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function pool(options?: PoolOptions): Pool {
  const it = createPool(options);
  closing.push(() => it.close());
  return it;
}

async function server(options: ServerOptions = {}): Promise<Server> {
  const it = await createServer({ password: 'right', ...options });
  closing.push(() => it.close());
  return it;
}

async function relay(to: number, delay?: number): Promise<Relay> {
  const it = await createRelay(to, delay);
  closing.push(() => it.close());
  return it;
}

const hello = [sh`echo hello`];
const answered = [{ exitCode: 0, stdout: 'hello\n', stderr: '' }];

describe('a pool', () => {
  test('makes one connection, and one attempt to log in, for all who want the same host', async () => {
    const it = await server();
    const { connect } = pool();
    const hosts = await Promise.all(Array.from({ length: 6 }, () => connect(it.target)));
    await Promise.all(hosts.map((host) => host.ask(hello, {})));
    await connect(it.target);
    expect([it.connections, it.attempts.length]).toEqual([1, 1]);
  });

  test('makes one attempt with a wrong password for all who want the host at once', async () => {
    const it = await server();
    const { connect } = pool();
    const target = { ...it.target, password: 'wrong' };
    const results = await Promise.allSettled([connect(target), connect(target), connect(target)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(it.attempts).toHaveLength(1);
  });

  test.each([{ password: 'wrong' }, { hostKey: 'SHA256:other' }, { sudoPassword: 'other' }])(
    'does not share a connection with other credentials (%o)',
    async (change) => {
      const it = await server();
      const { connect } = pool();
      await connect(it.target);
      await connect({ ...it.target, ...change }).catch(() => {});
      expect(it.connections).toBeGreaterThan(1);
    },
  );

  test('connects anew when a connection broke, without the caller noticing', async () => {
    const it = await server();
    const host = await pool().connect(it.target);
    expect(await host.ask(hello, {})).toEqual(answered);
    it.cut();
    expect(await host.ask(hello, {})).toEqual(answered);
    it.cut();
    await pause(50);
    expect(await host.ask(hello, {})).toEqual(answered);
    expect(it.connections).toBe(3);
  });

  test('holds a host that it met without a pin to the key it showed first', async () => {
    const first = await server();
    const other = await server({
      hostKeys: [keyPair('ed25519').private],
    });
    const between = await relay(first.target.port);
    const host = await pool().connect({ ...first.target, port: between.port });
    await host.ask(hello, {});
    between.lead(other.target.port);
    between.cut();
    await expect(host.ask(hello, {})).rejects.toMatchObject({ code: 'HostKeyChanged' });
    expect(other.attempts).toEqual([]);
  });

  test('keeps the connection to a host that it met without a pin when the key is held to from then on', async () => {
    const first = await server();
    const other = await server({ hostKeys: [keyPair('ed25519').private] });
    const between = await relay(first.target.port);
    const { connect } = pool();
    const target = { ...first.target, port: between.port };
    const { hostKey } = await connect(target);
    const host = await connect({ ...target, hostKey });
    await host.ask(hello, {});
    expect(first.connections).toBe(1);
    between.lead(other.target.port);
    between.cut();
    await expect(host.ask(hello, {})).rejects.toMatchObject({ code: 'HostKeyChanged' });
    await expect(connect({ ...target, hostKey })).rejects.toMatchObject({ code: 'HostKeyChanged' });
    expect(other.attempts).toEqual([]);
  });

  test('opens another connection when the channels of one are used up, and queues beyond', async () => {
    const it = await server();
    const host = await pool({ channels: 3, links: 2 }).connect(it.target);
    const answers = await Promise.all(Array.from({ length: 12 }, () => host.ask([sh`sleep 0.1; echo hello`], {})));
    expect(answers).toEqual(Array.from({ length: 12 }, () => answered));
    expect(it.connections).toBe(2);
    expect(it.mostSessions).toBeLessThanOrEqual(3);
  });

  test('gets along with a host that allows fewer sessions than usual', async () => {
    const it = await server({ sessions: 2 });
    const host = await pool({ links: 2 }).connect(it.target);
    const answers = await Promise.all(Array.from({ length: 8 }, () => host.ask([sh`sleep 0.05; echo hello`], {})));
    expect(answers).toEqual(Array.from({ length: 8 }, () => answered));
  });

  test('gets its channel back from a question that left something running', async () => {
    const sshd = await createSshd();
    closing.push(() => sshd.remove());
    const host = await pool({ ...sshd.options, channels: 2, links: 1 }).connect(sshd.target);
    const began = Date.now();
    for (let n = 0; n < 6; n++) expect(await host.ask([sh`sleep 20 & echo hello`], {})).toEqual(answered);
    expect(Date.now() - began).toBeLessThan(15_000);
  });

  test('says Unreachable of a host that allows no session at all', async () => {
    const it = await server({ sessions: 0 });
    const host = await pool().connect(it.target);
    await expect(host.ask(hello, {})).rejects.toMatchObject({ code: 'Unreachable' });
  });

  test('closes at once what nobody uses where enough others rest', async () => {
    const [one, other] = [await server(), await server()];
    const { connect } = pool({ resting: 1 });
    const over = [new AbortController(), new AbortController()];
    for (const [n, { target }] of [one, other].entries()) {
      const host = await connect({ ...target, name: `vm${n}` }, over[n]!.signal);
      expect(await host.ask(hello, {})).toEqual(answered);
    }
    for (const each of over) each.abort();
    await expect.poll(() => [one.open, other.open]).toEqual([1, 0]);
    expect(await (await connect({ ...other.target, name: 'vm1' })).ask(hello, {})).toEqual(answered);
  });

  test('closes what nobody uses, and opens it again when somebody does', async () => {
    const it = await server();
    const host = await pool({ idle: 100 }).connect(it.target);
    expect(await host.ask([sh`sleep 0.3; echo hello`], {})).toEqual(answered);
    await pause(400);
    expect(await host.ask(hello, {})).toEqual(answered);
    expect(it.connections).toBe(2);
  });

  test('notices a host that fell silent, and says so in bounded time', async () => {
    const it = await server();
    const between = await relay(it.target.port);
    const host = await pool({ keepalive: 300, readyTimeout: 1_000 }).connect({ ...it.target, port: between.port });
    await host.ask(hello, {});
    between.freeze();
    const began = Date.now();
    await expect(host.ask(hello, {})).rejects.toMatchObject({ code: 'Unreachable' });
    expect(Date.now() - began).toBeLessThan(10_000);
  });

  test('that is closed refuses, and lets go of what is under way', async () => {
    const it = await server();
    const closed = pool();
    const host = await closed.connect(it.target);
    const asking = host.ask([sh`sleep 5`], {}).catch((error: { code: string }) => error.code);
    await pause(100);
    await closed.close();
    expect(await asking).toBe('Detached');
    await expect(closed.connect(it.target)).rejects.toMatchObject({ code: 'Detached' });
  });

  test('has no more connections to the hosts of a site than it may, and closes one that rests for another host', async () => {
    const shares = [{ of: 'site ams', sessions: 2 }];
    const all = await Promise.all(Array.from({ length: 6 }, () => server()));
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(
        most,
        all.map(({ open }) => open).reduce((sum, open) => sum + open),
      );
    }, 5);
    closing.push(() => clearInterval(watch));
    const { connect } = pool();
    const answers = all.map(async ({ target }, n) => {
      const host = await connect({ ...target, name: `vm${n}`, shares });
      return host.ask([sh`sleep 0.2; echo hello`], {});
    });
    expect(await Promise.all(answers)).toEqual(all.map(() => answered));
    expect(most).toBe(2);
  });

  test('leaves the connection of somebody who is not done yet, and tells others that they did not come to their turn', async () => {
    const shares = [{ of: 'site ams', sessions: 1 }];
    const [one, other] = [await server(), await server()];
    const { connect } = pool({ wait: 300 });
    const during = new AbortController();
    const host = await connect({ ...one.target, shares }, during.signal);
    await host.ask(hello, {});
    const refused = await connect({ ...other.target, shares }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Crowded);
    expect(String(refused)).toContain('the limits of site ams left no room');
    expect([one.open, other.connections]).toEqual([1, 0]);
    during.abort();
    await (await connect({ ...other.target, shares })).ask(hello, {});
    expect(one.open).toBe(0);
  });

  test('begins no more connections within a second than the worker may', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => server()));
    const { connect } = pool({ limits: { startsPerSecond: 2 } });
    const began = Date.now();
    await Promise.all(all.map(({ target }, n) => connect({ ...target, name: `vm${n}` })));
    expect(Date.now() - began).toBeGreaterThan(1_900);
  });

  test('has room again after a login that failed', async () => {
    const shares = [{ of: 'site ams', sessions: 1 }];
    const it = await server();
    const { connect } = pool();
    await expect(connect({ ...it.target, shares, password: 'wrong' })).rejects.toThrow('vm0');
    expect(await (await connect({ ...it.target, shares })).ask(hello, {})).toEqual(answered);
  });

  test('that is closed leaves nobody waiting for a turn', async () => {
    const shares = [{ of: 'site ams', sessions: 1 }];
    const [one, other] = [await server(), await server()];
    const closed = pool();
    await closed.connect({ ...one.target, shares }, new AbortController().signal);
    const waiting = closed.connect({ ...other.target, shares }).catch((error: { code: string }) => error.code);
    await pause(50);
    await closed.close();
    expect(await waiting).toBe('Detached');
  });

  test('asks in one round trip once it is connected', async () => {
    const sshd = await createSshd();
    closing.push(() => sshd.remove());
    const trip = 200;
    const between = await relay(sshd.port, trip / 2);
    const host = await pool().connect({ ...sshd.target, port: between.port });
    const times: number[] = [];
    for (let n = 0; n < 4; n++) {
      await pause(trip * 4);
      const began = performance.now();
      await host.ask(hello, {});
      times.push(performance.now() - began);
    }
    expect(Math.min(...times) / trip).toBeLessThan(1.8);
  });
});
