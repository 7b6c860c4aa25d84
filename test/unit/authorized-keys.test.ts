import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { formerKeys, key, keyStages, login } from '../../src/roles/system/key.ts';
import { makeKey, publicHalf } from '../../src/ssh/access-key.ts';
import type { Command } from '../../src/ssh/command.ts';
import { applied, hostAt, said } from '../applied.ts';
import { ran } from '../sh.ts';

const host = hostAt(0);
const first = { key: 'access.key', mark: 'farweave:demo' };
const second = { key: 'access.key-2', mark: 'farweave:demo:2' };
const pairs: Readonly<Record<string, string>> = { 'access.key': makeKey(), 'access.key-2': makeKey() };
const lineOf = ({ key: name, mark }: typeof first) => `${publicHalf(pairs[name]!)} ${mark}`;

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'farweave-home-'));
});
afterEach(() => rmSync(home, { recursive: true }));

/** As on a host whose sshd says this of AuthorizedKeysFile. */
function run(command: Command, where = '.ssh/authorized_keys .ssh/authorized_keys2') {
  const text = command.text
    .replaceAll('/usr/sbin/sshd', 'sshd')
    .replaceAll('/var/lib/farweave', join(home, 'lib'))
    .replaceAll('runuser -u bob --', 'env AS=bob');
  return ran(
    { ...command, text },
    {
      valueOf: (variable) => ('secret' in variable ? publicHalf(pairs[variable.secret]!)! : ''),
      programs: { getent: `echo "$2:x:0:0::${home}:/bin/sh"`, sshd: `echo 'authorizedkeysfile ${where}'` },
    },
  );
}

const file = () => join(home, '.ssh/authorized_keys');
const there = () => readFileSync(file(), 'utf8');
const has = (args: typeof first) => key.judge(run(key.probe(host, args, {}) as Command), host, args, {}).is;
const install = (args: typeof first) => expect(run(applied(key, host, args)).exitCode).toBe(0);
const undo = (args: typeof first) =>
  run((key as unknown as { undo: (...given: unknown[]) => Command }).undo(host, args));
const former = { ...second, cluster: 'demo' };
const others = () => formerKeys.judge(run(formerKeys.probe(host, former, {}) as Command), host, former, {});

it('installs the key in a folder that only its owner may read, and finds it there', () => {
  expect(has(first)).toBe('no');
  install(first);
  expect(there()).toBe(`${lineOf(first)}\n`);
  expect([statSync(join(home, '.ssh')).mode & 0o777, statSync(file()).mode & 0o777]).toEqual([0o700, 0o600]);
  expect(has(first)).toBe('yes');
  expect(execFileSync('/usr/bin/ssh-keygen', ['-lf', file()], { encoding: 'utf8' })).toMatch(
    / farweave:demo \(ED25519\)/,
  );
});

it('leaves the keys of others as they are, even behind a last line that does not end', () => {
  mkdirSync(join(home, '.ssh'));
  writeFileSync(file(), 'ssh-ed25519 AAAA somebody', { mode: 0o640 });
  install(first);
  expect(there()).toBe(`ssh-ed25519 AAAA somebody\n${lineOf(first)}\n`);
  expect(undo(first).exitCode).toBe(0);
  expect(there()).toBe('ssh-ed25519 AAAA somebody\n');
  expect(statSync(file()).mode & 0o777).toBe(0o640);
});

it('takes its own line away alone, and finds nothing to take where there is no file', () => {
  expect(undo(first).exitCode).toBe(0);
  const demo2 = 'ssh-ed25519 AAAA farweave:demo2';
  mkdirSync(join(home, '.ssh'));
  writeFileSync(file(), `${demo2}\n`);
  install(first);
  install(second);
  undo(second);
  expect(there()).toBe(`${demo2}\n${lineOf(first)}\n`);
});

it('looks where sshd does', () => {
  run(applied(key, host, first), `${home}/keys/%u`);
  expect(readFileSync(join(home, 'keys/root'), 'utf8')).toContain('farweave:demo');
  run(applied(key, host, first), '%h/own');
  expect(readFileSync(join(home, 'own'), 'utf8')).toContain('farweave:demo');
  const verdict = key.judge(run(key.probe(host, first, {}) as Command, 'none'), host, first, {});
  expect(verdict).toMatchObject({ is: 'unknown', why: expect.stringContaining('AuthorizedKeysFile') });
});

it('works as the login user in their own folder, and through a link that stands there', () => {
  const bob = { ...host, user: 'bob' };
  const command = applied(key, bob, first);
  expect(command.text).toContain(`as='runuser -u bob --'`);
  mkdirSync(join(home, '.ssh'));
  writeFileSync(join(home, 'elsewhere'), '');
  symlinkSync(join(home, 'elsewhere'), file());
  expect(run(command).exitCode).toBe(0);
  undo(first);
  expect(statSync(join(home, 'elsewhere')).size).toBe(0);
});

it('says so where there is no such user', () => {
  const command = key.probe({ ...host, user: 'nobody-here' }, first, {}) as Command;
  const output = ran({ ...command, text: command.text }, { valueOf: () => '', programs: { getent: 'exit 2' } });
  expect(key.judge(output, host, first, {})).toMatchObject({ is: 'unknown', why: expect.stringContaining('no user') });
});

it('takes former keys of the cluster away, and gives them back where that is undone', () => {
  install(first);
  install(second);
  expect(others()).toMatchObject({ is: 'no', now: '1 former key of the cluster' });
  expect(run(applied(formerKeys, host, former)).exitCode).toBe(0);
  expect(there()).toBe(`${lineOf(second)}\n`);
  expect(others().is).toBe('yes');
  // As long as they are away the new one is all there is.
  expect(undo(second)).toMatchObject({ exitCode: 1, stderr: 'the former keys are not back, so this one stays\n' });
  run((formerKeys as unknown as { undo: (...given: unknown[]) => Command }).undo(host, former));
  expect(there()).toBe(`${lineOf(second)}\n${lineOf(first)}\n`);
  expect(undo(second).exitCode).toBe(0);
  expect(there()).toBe(`${lineOf(first)}\n`);
});

it('takes no former key away where the one that is to stay is missing', () => {
  install(first);
  expect(run(applied(formerKeys, host, former))).toMatchObject({
    exitCode: 1,
    stderr: 'the key that is to stay is not there\n',
  });
  expect(there()).toBe(`${lineOf(first)}\n`);
});

it('publishes which key lets us in, and whether sudo asks', () => {
  const args = { key: 'access.key-2' };
  expect(login.probe(host, args, {})).toEqual({ login: 'access.key-2' });
  expect(login.judge(said('asks'), host, args, {})).toEqual({
    is: 'yes',
    facts: { 'access.key': 'access.key-2', 'access.sudo': 'asks' },
  });
  expect(login.judge(said('', 1, 'refuses the login'), host, args, {})).toMatchObject({ is: 'no' });
});

it('has stages for the hosts that are to have the key, and for no others', () => {
  const stages = keyStages('demo', [{ ...hostAt(0), access: { key: 'access.key-2' } }, hostAt(1)]);
  expect(stages.map(({ operation, hosts }) => [operation, hosts])).toEqual([
    ['system.key', ['vm0']],
    ['system.login', ['vm0']],
    ['system.formerKeys', ['vm0']],
  ]);
  expect(stages[0]).toMatchObject({ args: second, secrets: ['access.key-2'] });
});
