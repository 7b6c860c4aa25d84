import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { undoing } from '../../src/roles/operation.ts';
import { hostKey, hostKeyStages, nextHostKey, shownHostKey } from '../../src/roles/system/host-key.ts';
import type { Command, Output } from '../../src/ssh/command.ts';
import { createPool, type Pool } from '../../src/ssh/pool.ts';
import { applied, hostAt, said } from '../applied.ts';
import { ran } from '../sh.ts';
import { createSshd, type Sshd } from '../sshd.ts';

const host = hostAt(0);
const first = { mark: 'farweave:demo:2026-01-01T00:00:00.000Z' };
const second = { mark: 'farweave:demo:2026-02-02T00:00:00.000Z' };

let sshd: Sshd;
let pool: Pool;
beforeEach(async () => {
  sshd = await createSshd();
  pool = createPool(sshd.options);
});
afterEach(async () => {
  await pool.close();
  sshd.remove();
});

/** On the machine that sshd stands for: with its configuration and keys, and no service manager. */
function run(command: Command): Output {
  const text = command.text
    .replaceAll('/usr/sbin/sshd', `${sshd.folder}/sshd`)
    .replaceAll('/etc/ssh/ssh_host_ed25519_key', join(sshd.folder, 'host'))
    .replaceAll('/run/systemd/system', join(sshd.folder, 'no-systemd'));
  const wrapper = `#!/bin/sh\nexec /usr/sbin/sshd -f ${sshd.folder}/config "$@"\n`;
  writeFileSync(join(sshd.folder, 'sshd'), wrapper, { mode: 0o755 });
  return ran({ ...command, text }, { valueOf: () => '' });
}

const stateOf = (operation: typeof hostKey, args = first) =>
  operation.judge(run(operation.probe(host, args, {}) as Command), host, args, {});
const inPlace = () => run(('apply' in hostKey && hostKey.keyInPlace?.()) || { text: 'exit 1' }).stdout.trim();
const shown = async (key?: string) => (await pool.connect({ ...sshd.target, ...(key && { hostKey: key }) })).hostKey;
const anew = async () => {
  const fresh = createPool(sshd.options);
  try {
    return (await fresh.connect(sshd.target)).hostKey;
  } finally {
    await fresh.close();
  }
};
const read = (file: string) => readFileSync(join(sshd.folder, file), 'utf8');

it('makes the next key beside the one that is shown, and publishes it before anybody is shown it', async () => {
  const before = sshd.fingerprint('host');
  expect(stateOf(nextHostKey)).toMatchObject({ is: 'no' });
  expect(stateOf(hostKey)).toMatchObject({ is: 'no' });
  expect(run(applied(nextHostKey, host, first))).toMatchObject({ exitCode: 0 });
  const next = stateOf(nextHostKey).facts?.['host.key.other'];
  expect(next).toMatch(/^SHA256:/);
  expect(next).not.toBe(before);
  expect([await anew(), inPlace()]).toEqual([before, before]);
  expect(stateOf(nextHostKey, second)).toMatchObject({ is: 'no' });
});

it('puts it in place of the other in a real sshd, and whoever is logged in stays so', async () => {
  const old = await pool.connect(sshd.target);
  const ecdsa = sshd.fingerprint('host-ecdsa');
  run(applied(nextHostKey, host, first));
  const next = stateOf(nextHostKey).facts?.['host.key.other'];
  expect(run(applied(hostKey, host, first))).toMatchObject({ exitCode: 0 });
  await pause(300); // sshd begins anew
  expect([await anew(), inPlace()]).toEqual([next, next]);
  expect(await old.ask([{ text: 'echo still here' }], {})).toMatchObject([{ stdout: 'still here\n' }]);
  expect(stateOf(hostKey)).toEqual({ is: 'yes' });
  // The next key is no more beside it, and is not made once more.
  expect(stateOf(nextHostKey)).toEqual({ is: 'yes' });
  expect(statSync(join(sshd.folder, 'host')).mode & 0o777).toBe(0o600);
  expect(
    ['host.farweave', 'host.farweave.pub', 'host.farweave-old'].filter((file) => existsSync(join(sshd.folder, file))),
  ).toEqual([]);
  expect(await shown(ecdsa)).toBe(ecdsa);
});

it('leaves the former key where it is if sshd does not take the next one', async () => {
  const before = [read('host'), read('host.pub')];
  run(applied(nextHostKey, host, first));
  writeFileSync(join(sshd.folder, 'host.farweave'), 'no key');
  expect(run(applied(hostKey, host, first)).exitCode).not.toBe(0);
  expect([read('host'), read('host.pub')]).toEqual(before);
  expect(await anew()).toBe(sshd.fingerprint('host'));
});

it('puts the former key back where sshd cannot be made to read the next one', async () => {
  const before = sshd.fingerprint('host');
  run(applied(nextHostKey, host, first));
  const pid = read('pid');
  writeFileSync(join(sshd.folder, 'pid'), '');
  const output = run(applied(hostKey, host, first));
  expect(output.exitCode).toBe(1);
  expect(`${output.stdout}${output.stderr}`).toContain('the former one is back');
  expect([sshd.fingerprint('host'), inPlace(), await anew()]).toEqual([before, before, before]);
  expect(stateOf(hostKey)).toMatchObject({ is: 'no' });
  // It is still beside it, for the next attempt.
  writeFileSync(join(sshd.folder, 'pid'), pid);
  expect(run(applied(hostKey, host, first))).toMatchObject({ exitCode: 0 });
  expect(stateOf(hostKey)).toEqual({ is: 'yes' });
});

it('goes on where it was cut off after the key was moved', async () => {
  run(applied(nextHostKey, host, first));
  const next = stateOf(nextHostKey).facts?.['host.key.other'];
  execFileSync('mv', [join(sshd.folder, 'host.farweave'), join(sshd.folder, 'host')]);
  execFileSync('rm', [join(sshd.folder, 'host.pub')]);
  expect(stateOf(hostKey)).toMatchObject({ is: 'no' });
  expect(run(applied(hostKey, host, first))).toMatchObject({ exitCode: 0 });
  await pause(300);
  expect([await anew(), inPlace()]).toEqual([next, next]);
});

it('keeps what is needed for the way back, and shows the former key again once that is there', async () => {
  const before = [read('host'), read('host.pub')];
  const former = sshd.fingerprint('host');
  run(applied(nextHostKey, host, first));
  const change = applied(hostKey, host, first);
  expect(change.saves).toEqual(['/etc/ssh/ssh_host_ed25519_key', '/etc/ssh/ssh_host_ed25519_key.pub']);
  run(change);
  for (const [n, file] of ['host', 'host.pub'].entries()) writeFileSync(join(sshd.folder, file), before[n]!);
  expect(run(undoing(hostKey as never, host, first)!)).toMatchObject({ exitCode: 0 });
  await pause(300);
  expect([await anew(), inPlace()]).toEqual([former, former]);
});

it.each([
  ['another path', (config: string) => config.replace(/^HostKey .*\/host$/m, ''), 'sshd does not show'],
  ['a certificate', (config: string) => `HostCertificate ${'/dev/null'}\n${config}`, 'certificate'],
  ['a mistake', (config: string) => `Nonsense yes\n${config}`, 'does not take its own configuration'],
])('asks for help where sshd has %s, and changes nothing', (_, change, why) => {
  writeFileSync(join(sshd.folder, 'config'), change(read('config')));
  for (const operation of [nextHostKey, hostKey])
    expect(stateOf(operation)).toMatchObject({ is: 'unknown', why: expect.stringContaining(why) });
});

it('is known by the key that is shown to whoever comes anew, and by no other', () => {
  expect(shownHostKey.judge(said('SHA256:new'), host, first, {})).toEqual({
    is: 'yes',
    facts: { 'host.key': 'SHA256:new' },
  });
  expect(shownHostKey.judge(said('', 1, 'shows the host key SHA256:old'), host, first, {})).toMatchObject({
    is: 'no',
    now: 'shows the host key SHA256:old',
  });
});

it('tells the next key in an activity that has ended before another begins to put it in place', () => {
  const stages = hostKeyStages([host], first.mark);
  expect(stages.map(({ operation, kind, brief }) => [operation, kind, brief])).toEqual([
    ['system.nextHostKey', 'change', true],
    ['system.hostKey', 'change', false],
    ['system.shownHostKey', 'check', false],
  ]);
});
