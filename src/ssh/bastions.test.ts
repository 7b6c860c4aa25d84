import { afterEach, describe, expect, test, vi } from 'vitest';
import { createServer } from '../../test/ssh-server.ts';
import { createRelay, createSshd, freePort, type Relay, type Sshd } from '../../test/sshd.ts';
import { sh } from './command.ts';
import type { SshError } from './errors.ts';
import type { Target } from './host.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';

vi.setConfig({ testTimeout: 60_000 });

const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function sshd(...lines: readonly string[]): Promise<Sshd> {
  const it = await createSshd(lines);
  closing.push(() => it.remove());
  return it;
}

async function relay(to: number): Promise<Relay> {
  const it = await createRelay(to);
  closing.push(() => it.close());
  return it;
}

function pool(options: PoolOptions = {}): Pool {
  const it = createPool({ readyTimeout: 5_000, ...options });
  closing.push(() => it.close());
  return it;
}

/** The same machine as one that leads to others. */
const gate = (target: Target, name: string, more: Partial<Target> = {}): Target => ({
  ...target,
  name,
  bastion: true,
  ...more,
});

const failure = (answer: Promise<unknown>): Promise<SshError> =>
  answer.then(
    () => expect.fail('it went through'),
    (error: SshError) => error,
  );

const hello = [sh`echo hello from $PPID`];

describe('a host behind bastions', () => {
  test('is reached through two of them, each with credentials of its own', async () => {
    const [outer, inner, vm] = [await sshd(), await sshd(), await sshd()];
    const way = gate(inner.target, 'inner', { via: gate(outer.target, 'outer') });
    const host = await pool(vm.options).connect({ ...vm.target, via: way });
    const [answer] = await host.ask(hello, {});
    expect(answer).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('hello') });
    expect(host.bastionKeys).toEqual({
      inner: expect.stringMatching(/^SHA256:/),
      outer: expect.stringMatching(/^SHA256:/),
    });
    expect(new Set([host.hostKey, ...Object.values(host.bastionKeys ?? {})]).size).toBe(3);
  });

  test('shares the login to its bastion with all others behind it', async () => {
    const [bastion, ...vms] = [await sshd(), await sshd(), await sshd()];
    const front = await relay(bastion.port);
    const via = gate(bastion.target, 'gate', { port: front.port });
    const { connect } = pool(vms[0]!.options);
    const hosts = await Promise.all(vms.map(({ target }, n) => connect({ ...target, name: `vm${n}`, via })));
    await Promise.all(hosts.map((host) => host.ask(hello, {})));
    expect(front.connections).toBe(1);
  });

  test('keeps the login to its bastions when their keys, once met, are held to', async () => {
    const [outer, inner, vm] = [await sshd(), await sshd(), await sshd()];
    const front = await relay(outer.port);
    const { connect } = pool(vm.options);
    const way = (outerKey?: string, innerKey?: string) =>
      gate(inner.target, 'inner', {
        via: gate(outer.target, 'outer', { port: front.port, ...(outerKey && { hostKey: outerKey }) }),
        ...(innerKey && { hostKey: innerKey }),
      });
    const met = await connect({ ...vm.target, via: way() });
    const { outer: one = '', inner: other = '' } = met.bastionKeys ?? {};
    const held = await connect({ ...vm.target, via: way(one, other) });
    expect(await held.ask(hello, {})).toMatchObject([{ exitCode: 0 }]);
    expect(front.connections).toBe(1);
    expect(inner.sessions()).toBe(1);
    expect(await failure(connect({ ...vm.target, via: way(one, 'SHA256:another') }))).toMatchObject({
      code: 'BastionKeyChanged',
      place: { name: 'inner' },
    });
  });

  test('is found again after its bastion has broken, and the failure names the bastion', async () => {
    const [bastion, vm] = [await sshd(), await sshd()];
    const front = await relay(bastion.port);
    const via = gate(bastion.target, 'gate', { port: front.port });
    const host = await pool(vm.options).connect({ ...vm.target, via });
    const asking = failure(host.ask([sh`sleep 20`], {}));
    await vi.waitFor(() => expect(vm.processes('sleep 20')).not.toEqual([]));
    front.lead(await freePort());
    front.cut();
    expect(await asking).toMatchObject({ message: expect.stringContaining('through gate (127.0.0.1:') });
    front.lead(bastion.port);
    expect(await host.ask(hello, {})).toMatchObject([{ exitCode: 0 }]);
  });

  test('lets go of its bastion when nobody has asked anything for a while', async () => {
    const [bastion, vm] = [await sshd(), await sshd()];
    const front = await relay(bastion.port);
    const target = { ...vm.target, via: gate(bastion.target, 'gate', { port: front.port }) };
    const { connect } = pool({ ...vm.options, idle: 200 });
    await (await connect(target)).ask(hello, {});
    await vi.waitFor(() => expect(bastion.sessions()).toBe(0), { timeout: 5_000 });
    await (await connect(target)).ask(hello, {});
    expect(front.connections).toBe(2);
  });
});

describe('what is wrong with a bastion is said of the bastion:', () => {
  const vm: Target = { name: 'vm0', address: '127.0.0.1', port: 9, user: 'root', password: 'of-the-host' };

  test('nobody is there', async () => {
    const via = gate({ ...vm, port: await freePort() }, 'gate');
    expect(await failure(pool().connect({ ...vm, via }))).toMatchObject({
      code: 'Unreachable',
      place: { name: 'gate', bastion: true },
      message: `through gate (127.0.0.1:${via.port}): connection refused`,
      hint: expect.stringContaining('bastion'),
    });
  });

  test('it refuses the login, and is asked once for all who come at the same time', async () => {
    const server = await createServer({ password: 'right' });
    closing.push(() => server.close());
    const via = gate({ ...server.target, password: 'wrong' }, 'gate');
    const { connect } = pool();
    const errors = await Promise.all(['vm0', 'vm1', 'vm2'].map((name) => failure(connect({ ...vm, name, via }))));
    for (const error of errors) expect(error).toMatchObject({ code: 'AuthenticationFailed', place: { name: 'gate' } });
    expect(server.attempts).toEqual([{ method: 'password', password: 'wrong' }]);
  });

  test('it shows another key: nothing is sent to it', async () => {
    const server = await createServer({ password: 'right' });
    closing.push(() => server.close());
    const via = gate(server.target, 'gate', { hostKey: 'SHA256:another' });
    expect(await failure(pool().connect({ ...vm, via }))).toMatchObject({
      code: 'BastionKeyChanged',
      place: { name: 'gate' },
      hint: expect.stringContaining('bastions.gate.hostKey'),
    });
    expect(server.attempts).toEqual([]);
  });

  test('it may be pinned by any kind of key that it has', async () => {
    const [bastion, vm] = [await sshd(), await sshd()];
    const hostKey = bastion.fingerprint('host-ecdsa');
    const host = await pool(vm.options).connect({ ...vm.target, via: gate(bastion.target, 'gate', { hostKey }) });
    expect(host.bastionKeys).toEqual({ gate: hostKey });
  });

  test('it does not lead to others', async () => {
    const bastion = await sshd('AllowTcpForwarding no');
    expect(await failure(pool().connect({ ...vm, via: gate(bastion.target, 'gate') }))).toMatchObject({
      code: 'Unreachable',
      place: { name: 'gate' },
      message: expect.stringContaining('does not let us through to 127.0.0.1:9'),
      hint: expect.stringContaining('AllowTcpForwarding'),
    });
  });
});

describe('what is wrong with a host behind a bastion is said of the host:', () => {
  test('nothing listens there', async () => {
    const bastion = await sshd();
    const target: Target = { ...bastion.target, name: 'vm0', port: await freePort() };
    expect(await failure(pool().connect({ ...target, via: gate(bastion.target, 'gate') }))).toMatchObject({
      code: 'Unreachable',
      place: { name: 'vm0' },
      message: `vm0 (127.0.0.1:${target.port}): through gate: Connection refused`,
    });
  });

  test('it shows another key, though the bastion shows its own', async () => {
    const [bastion, vm] = [await sshd(), await sshd()];
    const target = { ...vm.target, hostKey: bastion.fingerprint('host'), via: gate(bastion.target, 'gate') };
    expect(await failure(pool().connect(target))).toMatchObject({ code: 'HostKeyChanged', place: { name: 'vm0' } });
  });

  test('it takes other credentials than those of the bastion, which are not tried there', async () => {
    const bastion = await sshd();
    const server = await createServer({ password: 'right' });
    closing.push(() => server.close());
    const target = { ...server.target, password: 'wrong', via: gate(bastion.target, 'gate', { password: 'right' }) };
    expect(await failure(pool().connect(target))).toMatchObject({
      code: 'AuthenticationFailed',
      place: { name: 'vm0' },
    });
    expect(server.attempts).toEqual([{ method: 'password', password: 'wrong' }]);
  });

  test('it does not answer', async () => {
    const server = await createServer({ password: 'right', leads: 'nowhere' });
    closing.push(() => server.close());
    const target: Target = { ...server.target, name: 'vm0', via: gate(server.target, 'gate') };
    expect(await failure(pool({ readyTimeout: 500 }).connect(target))).toMatchObject({
      code: 'Unreachable',
      message: `vm0 (127.0.0.1:${target.port}): through gate: no answer in time`,
    });
  });
});
