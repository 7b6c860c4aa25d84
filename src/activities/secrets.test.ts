import { expect, it } from 'vitest';
import { plainVault } from '../../test/vault.ts';
import type { HostSpec } from '../plan/plan.ts';
import { digest, secret, sh, text, words } from '../ssh/command.ts';
import { createGenerate, createReseal } from './sealing.ts';
import { createSecrets } from './secrets.ts';

const vault = plainVault('sealed:');
const open = createSecrets(vault, { BACKUP: 'from the worker' });
const sealed = { password: 'sealed:a "b&c', 'cluster.digestKey': 'sealed:key', backup: 'worker:BACKUP' };

const host: HostSpec = {
  name: 'vm1',
  site: 'a',
  index: 0,
  address: '10.0.0.1',
  port: 22,
  user: 'me',
  labels: {},
  access: { password: 'password' },
};

it('leads to a host by its bastions, each with its own credentials and the key that is known of it', async () => {
  const bastions = {
    outer: { address: '192.0.2.1', port: 443, user: 'jump', access: { password: 'backup' } },
    inner: { address: '10.0.0.9', port: 22, user: 'root', via: 'outer', hostKey: 'SHA256:pin', access: {} },
  };
  const facts = { 'host.key': { vm1: 'SHA256:vm1' }, 'bastion.key': { outer: 'SHA256:outer', inner: 'SHA256:old' } };
  expect(await open(sealed).target({ ...host, via: 'inner' }, facts, bastions)).toMatchObject({
    name: 'vm1',
    hostKey: 'SHA256:vm1',
    via: {
      name: 'inner',
      hostKey: 'SHA256:pin',
      bastion: true,
      via: { name: 'outer', password: 'from the worker', hostKey: 'SHA256:outer' },
    },
  });
  // Or the login of the host would go to whoever has its address here.
  await expect(open(sealed).target({ ...host, via: 'gone' }, facts, bastions)).rejects.toMatchObject({
    type: 'InvalidArguments',
    message: expect.stringContaining('gone'),
  });
});

it('leads to a host by the key of the cluster as it does by what was given, and with nothing else', async () => {
  const bastions = {
    gate: { address: '192.0.2.1', port: 22, user: 'jump', access: { password: 'backup' }, limits: { sessions: 9 } },
  };
  const limits = { sessions: 2 };
  const access = { password: 'password', key: 'access.key' };
  const behind: HostSpec = { ...host, via: 'gate', agent: true, become: 'doas', limits, access };
  const facts = { 'host.key': { vm1: 'SHA256:vm1' }, 'bastion.key': { gate: 'SHA256:gate' } };
  const secrets = open({ ...sealed, 'access.key': 'sealed:made' });
  const { password, agent, ...way } = await secrets.target(behind, facts, bastions);
  expect({ password, agent }).toEqual({ password: 'a "b&c', agent: true });
  expect(way).toMatchObject({ via: { password: 'from the worker', hostKey: 'SHA256:gate' }, become: 'doas' });
  expect(way.shares).toHaveLength(2);
  expect(await secrets.keyed(behind, facts, { key: 'access.key', bastions })).toEqual({ ...way, privateKey: 'made' });
});

it('leaves alone what was not given, where others are opened or sealed anew', async () => {
  const unopened = { ...vault, open: () => Promise.reject(new Error()), reseal: () => Promise.reject(new Error()) };
  const absent = { password: 'absent:the file pw', backup: 'worker:BACKUP' };
  expect(await createReseal(unopened)({ sealed: absent })).toMatchObject({ sealed: {}, lost: [] });
  expect(await createGenerate(unopened)({ secrets: {}, open: absent })).toEqual({});
});

it.each([
  ['raw', 'a "b&c'],
  ['json', String.raw`a \"b&c`],
  ['uri', 'a%20%22b%26c'],
] as const)('fills a variable for %s', async (encoding, expected) => {
  const command = sh`echo ${words(text`x${secret('password', encoding)}`)}`;
  expect(Object.values(await open(sealed).values([command]))).toEqual([expected]);
});

it('hashes with the key of the cluster: other keys and texts give other hashes', async () => {
  const hashed = async (key: string, content: string) => {
    const command = sh`echo ${digest(text`${content} ${secret('password')}`)}`;
    const [value] = Object.values(await open({ ...sealed, 'cluster.digestKey': `sealed:${key}` }).values([command]));
    return value!;
  };
  const one = await hashed('key', 'x');
  expect(one).toMatch(/^[0-9a-f]{32}$/);
  expect(await hashed('key', 'x')).toBe(one);
  expect(await hashed('key', 'y')).not.toBe(one);
  expect(await hashed('other', 'x')).not.toBe(one);
});

it('takes entries of the worker from its allowlist, and no others', async () => {
  expect(await open(sealed).values([sh`echo ${secret('backup')}`])).toEqual({ fw_backup_raw: 'from the worker' });
  const unknown = open({ backup: 'worker:OTHER' }).values([sh`echo ${secret('backup')}`]);
  await expect(unknown).rejects.toMatchObject({ type: 'InvalidArguments', message: expect.stringContaining('OTHER') });
});

it('does not go on without a secret; to look, it takes one that nothing equals', async () => {
  const command = sh`echo ${secret('missing')}`;
  await expect(open(sealed).values([command])).rejects.toMatchObject({ type: 'InvalidArguments' });
  const [guess] = Object.values(await open(sealed, { guessing: true }).values([command]));
  expect(guess).toMatch(/^[0-9a-f]{32}$/);
});

it('says so when a secret was sealed for other workers', async () => {
  const foreign = createSecrets({ ...vault, open: () => Promise.reject(new Error('no identity matched')) }, {});
  const values = foreign(sealed).values([sh`echo ${secret('password')}`]);
  await expect(values).rejects.toMatchObject({
    message: 'password was sealed for other workers',
    type: 'InvalidArguments',
  });
});

it('takes what it has opened out of a text, in every encoding', async () => {
  const secrets = open(sealed);
  expect(secrets.redact('a "b&c')).toBe('a "b&c');
  await secrets.values([sh`echo ${secret('password')}`]);
  expect(secrets.redact(String.raw`1 a "b&c 2 a \"b&c 3 a%20%22b%26c 4`)).toBe('1 *** 2 *** 3 *** 4');
});

it('knows the key that a host must show: the pin of the spec, else what was seen first', async () => {
  const facts = { 'host.key': { vm1: 'SHA256:seen', vm2: 'SHA256:other' } };
  const secrets = open(sealed);
  expect(await secrets.target(host, {})).toEqual({
    name: 'vm1',
    address: '10.0.0.1',
    port: 22,
    user: 'me',
    password: 'a "b&c',
  });
  expect(await secrets.target(host, facts)).toMatchObject({ hostKey: 'SHA256:seen' });
  expect(await secrets.target({ ...host, hostKey: 'SHA256:pin' }, facts)).toMatchObject({ hostKey: 'SHA256:pin' });
});
