import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { exec, type Lab, type LabHost, up } from '../../src/lab/index.ts';
import { inMember, onDemo } from './demo.ts';
import type { Ran } from './farweave.ts';

/** The article's cluster, as a reader of the article would look at it. Set-up has rolled it out. */
let hosts: readonly LabHost[];

beforeAll(async () => {
  const lab: Lab = await up({ progress: () => undefined });
  hosts = lab.hosts;
});

it('is rolled out onto hosts that had nothing', () => {
  expect(inject('first')).toMatchObject({ exitCode: 0 });
});

describe('the replica set', () => {
  it('has a PRIMARY and two SECONDARY, by the names of the article', async () => {
    const states = await Promise.all(hosts.map((_, n) => hello(n)));
    const names = hosts.map((_, n) => expect.stringMatching(new RegExp(`^node${n}\\.[\\w.]+:27017$`)));
    for (const { hosts: members, setName } of states) {
      expect(setName).toBe('rs0');
      expect(members.toSorted()).toEqual(names);
    }
    expect(states.filter(({ isWritablePrimary }) => isWritablePrimary)).toHaveLength(1);
    expect(states.filter(({ secondary }) => secondary)).toHaveLength(2);
  });

  it('lets nobody read without a password', async () => {
    const { stdout } = await shell(
      0,
      `try { db.getSiblingDB('nodebb').objects.findOne() } catch (e) { print(e.codeName) }`,
    );
    expect(stdout.trim()).toBe('Unauthorized');
  });

  it('lets the operator in with the password that was made for it', async () => {
    const { stdout: password } = await onDemo('secrets', 'show', 'mongodb.adminPassword');
    const login = `db.getSiblingDB('admin').auth('admin', '${password.trim()}') && print(rs.status().members.length)`;
    expect((await shell(0, login)).stdout.trim()).toBe('3');
  });

  it('cannot be reached from outside the mesh', async () => {
    expect(await Promise.all(hosts.map(({ address }) => isOpen(address, 27017)))).toEqual([false, false, false]);
    expect(await Promise.all(hosts.map(({ address }) => isOpen(address, 4567)))).toEqual([true, true, true]);
  });

  it('shows no secret to those who look at processes or containers', async () => {
    const password = 'admin:password';
    for (const [n, { name }] of hosts.entries()) {
      const inspected = await exec(name, ['docker', 'inspect', `node${n}`, 'nodebb']);
      expect(inspected.exitCode).toBe(0);
      expect(inspected.stdout).not.toContain(password);
      expect(inspected.stdout).not.toMatch(/mongodb:\/\/|password/i);
      const processes = await exec(name, ['ps', '-eo', 'args']);
      expect(processes.stdout).not.toMatch(/mongodb:\/\/|adminPassword/);
    }
  });
});

describe('NodeBB', () => {
  it('answers curl -I on all hosts', async () => {
    for (const { address } of hosts) {
      const response = await fetch(`http://${address}:4567`, { method: 'HEAD' });
      expect(response.status).toBe(200);
      expect(response.headers.get('x-powered-by')).toBe('NodeBB');
    }
  });

  it('lets admin in with the password, and nobody else', async () => {
    for (const { address } of hosts) {
      expect(await login(address, 'admin', 'password')).toBe(200);
      expect(await login(address, 'nobody', 'password')).toBe(403);
    }
  });

  it('is found by one name in the mesh, whatever the host', async () => {
    const { stdout } = await exec(hosts[0]!.name, ['docker', 'exec', 'node0', 'getent', 'ahostsv4', 'nodebb']);
    const addresses = new Set(stdout.split('\n').flatMap((line) => line.split(' ')[0] || []));
    expect(addresses.size).toBe(hosts.length);
  });
});

describe('a rollout that has nothing to do', () => {
  it('changes nothing', async () => {
    expect(await onDemo('apply', '--yes')).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining(' 0 changed'),
    });
  });
});

describe('without its primary', () => {
  it('serves on all hosts within two minutes, and gets it back by the next rollout alone', async () => {
    const before = await Promise.all(hosts.map((_, n) => hello(n)));
    const lost = before.findIndex(({ isWritablePrimary }) => isWritablePrimary);
    const left = [0, 1, 2].filter((n) => n !== lost);
    await exec(hosts[lost]!.name, ['docker', 'kill', `node${lost}`]);

    let healed: Ran | undefined;
    try {
      const elected = async () =>
        (await Promise.all(left.map((n) => hello(n)))).some(({ isWritablePrimary }) => isWritablePrimary);
      expect(await eventually(60, elected)).toBe(true);
      // MongoDB 4.4 takes half a minute to agree on its configuration without one of its members, and NodeBB 1.4
      // ends, and is started anew, when a reader has lost patience by then.
      const letIn = async ({ address }: LabHost) => (await login(address, 'admin', 'password')) === 200;
      expect(await eventually(120, async () => (await Promise.all(hosts.map(letIn))).every(Boolean))).toBe(true);
    } finally {
      healed = await onDemo('apply', '--yes');
    }
    expect(healed).toMatchObject({ exitCode: 0, output: expect.stringContaining(' 1 changed') as string });
    const after = await Promise.all(hosts.map((_, n) => hello(n)));
    expect(after.map(({ isWritablePrimary, secondary }) => isWritablePrimary || secondary)).toEqual([true, true, true]);
  });
});

interface Hello {
  readonly setName: string;
  readonly hosts: readonly string[];
  readonly isWritablePrimary: boolean;
  readonly secondary: boolean;
}

/** What a member says of itself to anybody. */
async function hello(n: number): Promise<Hello> {
  const { stdout } = await shell(n, 'print(JSON.stringify(db.hello()))');
  return JSON.parse(stdout) as Hello;
}

const shell = (n: number, code: string) => inMember(hosts, n, code);

/** The status that a login ends with. */
async function login(address: string, username: string, password: string): Promise<number> {
  const base = `http://${address}:4567`;
  const before = await fetch(`${base}/api/config`, { signal: AbortSignal.timeout(60_000) });
  const cookie = before.headers.getSetCookie().map((value) => value.split(';')[0]);
  const { csrf_token: token } = (await before.json()) as { csrf_token: string };
  const answer = await fetch(`${base}/login`, {
    method: 'POST',
    signal: AbortSignal.timeout(60_000),
    headers: { 'content-type': 'application/json', 'x-csrf-token': token, cookie: cookie.join('; ') },
    body: JSON.stringify({ username, password }),
  });
  return answer.status;
}

function isOpen(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 3000 });
    const end = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.on('connect', () => end(true));
    socket.on('timeout', () => end(false));
    socket.on('error', () => end(false));
  });
}

async function eventually(seconds: number, holds: () => Promise<boolean>): Promise<boolean> {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (await holds().catch(() => false)) return true;
    await sleep(1000);
  }
  return false;
}
