import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applied } from '../../test/applied.ts';
import { FakeHosts } from '../../test/fake-host.ts';
import { ran } from '../../test/sh.ts';
import { createSshd, type Sshd } from '../../test/sshd.ts';
import { plainVault } from '../../test/vault.ts';
import { ACCESS_KEY, ACCESS_SUDO } from '../plan/access-key.ts';
import { HOST_KEY, HOST_KEY_OTHER, type HostSpec } from '../plan/plan.ts';
import type { Operation } from '../roles/operation.ts';
import { formerKeys, key, login } from '../roles/system/key.ts';
import { makeKey, publicHalf } from '../ssh/access-key.ts';
import { AuthenticationFailed, HostKeyChanged, SudoRefused, Unreachable } from '../ssh/errors.ts';
import type { Host, Target } from '../ssh/host.ts';
import { createPool, type Pool } from '../ssh/pool.ts';
import type { Result, SurveyResult } from './contract.ts';
import { Heard } from './heard.ts';
import { createPerformer } from './performer.ts';
import { byEitherKey, learntBy, reach, tryKey, trySight } from './reach.ts';
import { createGenerate } from './sealing.ts';
import { createSecrets } from './secrets.ts';

const vault = plainVault('sealed:');
const keys = { 'access.key': makeKey(), 'access.key-2': makeKey() };
const sealedKeys = Object.fromEntries(Object.entries(keys).map(([name, value]) => [name, `sealed:${value}`]));

let sshd: Sshd;
let pool: Pool;
let host: HostSpec;
let given: string;

beforeAll(async () => {
  sshd = await createSshd();
  given = readFileSync(join(sshd.folder, 'user.pub'), 'utf8');
});
afterAll(() => sshd.remove());

beforeEach(async () => {
  writeFileSync(join(sshd.folder, 'user.pub'), given);
  pool = createPool(sshd.options);
  host = {
    name: 'vm0',
    site: 'a',
    index: 0,
    address: '127.0.0.1',
    port: sshd.port,
    user: 'root',
    labels: {},
    access: { privateKey: 'access.privateKey', key: 'access.key' },
  };
  return () => pool.close();
});

/** A worker that was given the login key, or not. */
function way({
  isGiven = true,
  known = '',
  sealed = sealedKeys,
}: {
  isGiven?: boolean;
  known?: string;
  sealed?: object;
} = {}) {
  const given = isGiven ? `sealed:${sshd.target.privateKey}` : 'absent:the environment variable NODE_KEY';
  const secrets = createSecrets(vault, {})({ ...sealed, 'access.privateKey': given });
  return { connect: pool.connect, secrets, host, facts: { [ACCESS_KEY]: { vm0: known } } };
}

/** On the machine that sshd stands for: its file of keys is where sshd says. */
function install(operation: 'install' | 'takeFormer', name: keyof typeof keys): void {
  const mark = name === 'access.key' ? 'farweave:demo' : 'farweave:demo:2';
  const args = { key: name, mark, cluster: 'demo' };
  const command = operation === 'install' ? applied(key, host, args) : applied(formerKeys, host, args);
  const text = command.text.replaceAll('/usr/sbin/sshd', 'sshd').replaceAll('/var/lib/farweave', sshd.folder);
  const output = ran(
    { ...command, text },
    {
      valueOf: (variable) => ('secret' in variable ? publicHalf(keys[variable.secret as keyof typeof keys])! : ''),
      programs: { sshd: `echo authorizedkeysfile ${sshd.folder}/user.pub` },
    },
  );
  expect(output).toMatchObject({ exitCode: 0 });
}

it('lets us in to a real sshd by the key that was made, once the operation has installed it', async () => {
  expect(await tryKey(way(), 'access.key')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('refuses') });
  install('install', 'access.key');
  expect(await tryKey(way({ isGiven: false }), 'access.key')).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  expect(await reach(way({ isGiven: false, known: 'access.key' }))).toMatchObject({ key: 'access.key' });
});

it('changes one key for another in a real sshd with a way in at every step', async () => {
  const in_ = async (known: string) => (await reach(way({ isGiven: false, known }))).key;
  writeFileSync(join(sshd.folder, 'user.pub'), '');
  install('install', 'access.key');
  expect(await in_('access.key')).toBe('access.key');
  install('install', 'access.key-2');
  // A rollout that was broken off here goes by either.
  expect([await in_('access.key'), await in_('access.key-2')]).toEqual(['access.key', 'access.key-2']);
  install('takeFormer', 'access.key-2');
  await pool.close();
  pool = createPool(sshd.options);
  // The worker was lost before it could say by which: the old one is refused, and the new one found.
  expect(await in_('access.key')).toBe('access.key-2');
  expect(await tryKey(way(), 'access.key')).toMatchObject({ exitCode: 1 });
});

it('goes by what was given as long as no key is known to do, and then by the key', async () => {
  install('install', 'access.key');
  expect(await reach(way())).not.toHaveProperty('key');
  expect(await reach(way({ known: 'access.key' }))).toMatchObject({ key: 'access.key' });
});

it('falls back to what was given where the key is refused', async () => {
  expect(await reach(way({ known: 'access.key' }))).not.toHaveProperty('key');
});

it('says which host needs what, and where that comes from, where the key is gone and nothing was given', async () => {
  await expect(reach(way({ isGiven: false, known: 'access.key' }))).rejects.toMatchObject({
    type: 'AuthenticationFailed',
    message: 'vm0 does not take the key of the cluster, and access.privateKey was not given',
    details: [
      {
        hint: 'It comes from the environment variable NODE_KEY: apply again with it.',
        facts: { [ACCESS_KEY]: '' },
      },
    ],
  });
});

it('says what it ever did where the cluster has no key', async () => {
  writeFileSync(join(sshd.folder, 'user.pub'), '');
  await expect(reach(way({ sealed: {} }))).rejects.toMatchObject({ code: 'AuthenticationFailed' });
});

it('learns of a host that it lets us in by the key, and sudo asks all the same', () => {
  const refused = new SudoRefused(sshd.target, 'sudo asks for the password of me, and none is given');
  const by = { key: 'access.key', connection: undefined as never, target: sshd.target };
  expect(learntBy(refused, by)).toEqual({ facts: { [ACCESS_SUDO]: 'asks' } });
  expect(learntBy(refused, undefined)).toEqual({});
  // There is no password to ask for.
  expect(learntBy(refused, { ...by, target: { ...sshd.target, become: 'doas' } })).toEqual({});
});

it('makes keys that ssh-keygen and sshd know, each another one', async () => {
  const made = await createGenerate(vault)({ secrets: { one: { key: 'ed25519' }, two: { key: 'ed25519' } } });
  const halves = Object.values(made).map((sealed) => publicHalf(sealed.slice(7)));
  expect(new Set(halves).size).toBe(2);
  expect(halves[0]).toMatch(/^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5[A-Za-z0-9+/]{48}$/);
  expect(publicHalf('no key')).toBeUndefined();
});

it('tries the password of sudo only where it asks, and says that it does', async () => {
  const tried: Target[] = [];
  const asking = async (target: Target) => {
    tried.push(target);
    const refuses = new SudoRefused(target, 'sudo asks for the password of root, and none is given');
    const ask = async () => (target.sudoPassword === 'right' ? [] : Promise.reject(refuses));
    return { hostKey: 'SHA256:x', ask, run: () => Promise.reject(refuses) };
  };
  const at = (password: string) => {
    const secrets = createSecrets(vault, {})({ ...sealedKeys, 'access.password': `sealed:${password}` });
    const asked = { ...host, user: 'me', access: { password: 'access.password', key: 'access.key' } };
    return { connect: asking, secrets, host: asked, facts: {} };
  };
  expect(await tryKey(at('right'), 'access.key')).toEqual({ exitCode: 0, stdout: 'asks', stderr: '' });
  expect(tried.map(({ sudoPassword, password }) => [sudoPassword, password])).toEqual([
    [undefined, undefined],
    ['right', undefined],
  ]);
  expect(await tryKey(at('wrong'), 'access.key')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('sudo asks'),
  });
});

it('sends doas no password, since it asks for none', async () => {
  const tried: Target[] = [];
  const connect = async (target: Target) => {
    tried.push(target);
    const refuses = () => Promise.reject(new SudoRefused(target, 'doas does not let me become root'));
    return { hostKey: 'SHA256:x', ask: refuses, run: refuses };
  };
  const secrets = createSecrets(vault, {})({ ...sealedKeys, 'access.password': 'sealed:secret' });
  const doas = {
    ...host,
    user: 'me',
    become: 'doas',
    access: { password: 'access.password', key: 'access.key' },
  } as const;
  const facts = { [ACCESS_SUDO]: { vm0: 'asks' } };
  expect(await tryKey({ connect, secrets, host: doas, facts }, 'access.key')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('doas does not let me'),
  });
  expect(tried).toMatchObject([{ become: 'doas', privateKey: keys['access.key'] }]);
  expect(tried[0]).not.toHaveProperty('sudoPassword');
  expect(await secrets.keyed(doas, facts, { key: 'access.key' })).not.toHaveProperty('sudoPassword');
});

it('does not take what a bastion refuses for the word of the host', async () => {
  const gate = { ...sshd.target, name: 'gate', bastion: true } as const;
  const connect = () => Promise.reject(new AuthenticationFailed(gate, 'refuses the login of jump'));
  const refused = { ...way({ known: 'access.key' }), connect };
  await expect(reach(refused)).rejects.toMatchObject({ place: { name: 'gate' } });
  await expect(tryKey(refused, 'access.key')).rejects.toMatchObject({ place: { name: 'gate' } });
});

it('proves the key where a site lets a worker have one connection only, and waits for nobody', async () => {
  install('install', 'access.key');
  await pool.close();
  pool = createPool({ ...sshd.options, wait: 3_000 });
  const operations = new Map([[login.name, login as unknown as Operation]]);
  const { converge } = createPerformer(
    { connect: pool.connect, open: createSecrets(vault, {}), heard: new Heard() },
    operations,
  );
  const step = {
    receipt: 'run/00-system.login',
    operation: login.name,
    args: { key: 'access.key' },
    generation: 0,
    timeout: 5_000,
  };
  const task = {
    cluster: 'demo',
    revision: 1,
    fence: 1,
    host: { ...host, limits: { sessions: 1 } },
    facts: {},
    sealed: { ...sealedKeys, 'access.privateKey': `sealed:${sshd.target.privateKey}` },
    steps: [step, { ...step, receipt: 'run/01-system.login' }],
  };
  const surroundings = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  const results = (await surroundings.run(converge, task)) as readonly Result[];
  expect(results).toMatchObject([{ facts: { [ACCESS_KEY]: 'access.key', [ACCESS_SUDO]: '' } }, { changed: false }]);
});

it('takes the login of a survey for the proof, and sends a password nowhere', async () => {
  const hosts = new FakeHosts().on(/authorized_keys/, '');
  const operations = new Map([key, login, formerKeys].map((each) => [each.name, each as unknown as Operation]));
  const { survey } = createPerformer(
    { connect: hosts.connect, open: createSecrets(vault, {}), heard: new Heard() },
    operations,
  );
  const args = { key: 'access.key', mark: 'farweave:demo', cluster: 'demo' };
  const steps = [...operations.keys()].map((operation, n) => ({
    receipt: `run/0${n}-${operation}`,
    operation,
    args,
    generation: 0,
    timeout: 5_000,
  }));
  const task = {
    cluster: 'demo',
    revision: 1,
    fence: 1,
    host: { ...host, access: { password: 'access.password', key: 'access.key' } },
    facts: { [ACCESS_KEY]: { vm0: 'access.key' } },
    sealed: { ...sealedKeys, 'access.password': 'sealed:secret' },
    steps,
  };
  const surroundings = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  const { findings } = (await surroundings.run(survey, task)) as SurveyResult;
  expect(findings.map(({ is }) => is)).toEqual(['yes', 'yes', 'yes']);
  expect(findings[1]).toMatchObject({ facts: { [ACCESS_KEY]: 'access.key', [ACCESS_SUDO]: '' } });
  const used = hosts.get('vm0').targets.map(({ password, privateKey }) => [password, privateKey]);
  expect(new Set(used.map(String))).toEqual(new Set([String([undefined, keys['access.key']])]));
});

describe('a host whose key is being changed', () => {
  const [former, next] = ['SHA256:former', 'SHA256:next'];
  const facts = { [HOST_KEY]: { vm0: former }, [HOST_KEY_OTHER]: { vm0: next } };
  const showing = (shown: string) => async (target: Target) => {
    if (target.hostKey !== shown) throw new HostKeyChanged(target, target.hostKey ?? '', shown);
    return { hostKey: shown } as Host;
  };
  const target = (): Target => ({ name: 'vm0', address: '', port: 22, user: 'root', hostKey: former });

  it.each([former, next])('is reached by either: it shows %s', async (shown) => {
    expect(await byEitherKey(showing(shown), host, facts)(target())).toEqual({ hostKey: shown });
  });

  it.each([
    ['shows a third', {}, facts, 'SHA256:third'],
    ['is held to one by the cluster file', { hostKey: former }, facts, next],
    ['is not being given another', {}, { ...facts, [HOST_KEY_OTHER]: { vm0: '', vm1: next } }, next],
  ] as const)(
    'is not reached if it %s, and the failure names the key that it is known by',
    async (_, own, known, shown) => {
      await expect(byEitherKey(showing(shown), { ...host, ...own }, known)(target())).rejects.toMatchObject({
        expected: former,
        shown,
      });
    },
  );

  it('says what is wrong besides the key', async () => {
    const connect = async (tried: Target) => {
      throw tried.hostKey === former
        ? new HostKeyChanged(tried, former, next)
        : new AuthenticationFailed(tried, 'permission denied');
    };
    await expect(byEitherKey(connect, host, facts)(target())).rejects.toMatchObject({ code: 'AuthenticationFailed' });
  });

  it.each([
    ['another key', showing(former), 1],
    ['the key', showing(next), 0],
    ['nothing, since it is away', (away: Target) => Promise.reject(new Unreachable(away, 'refused')), 1],
  ])('is looked at from outside, and shows %s', async (_, connect, exitCode) => {
    expect(await trySight(connect, { ...target(), hostKey: next })).toMatchObject({ exitCode });
  });
});
