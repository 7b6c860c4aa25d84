import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { attempt } from '../../src/lab/command.ts';
import { requirePrograms } from '../../src/lab/requirements.ts';

const POLICY = '/usr/sbin/policy-rc.d';

/** What tests of `src/ssh` talk to is a real sshd. It is installed, and neither started nor started at boot: nobody asked for a way in. */
export default async function setup(): Promise<void> {
  const sshd = { program: 'sshd', package: 'openssh-server' };
  if (process.platform !== 'linux' || existsSync('/usr/sbin/sshd')) return; // where it is not to be had, its tests say so
  const isOurs = !existsSync(POLICY);
  try {
    if (isOurs) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    await requirePrograms([sshd], console.log, 'Tests talk to a real SSH server', 'Install OpenSSH');
  } finally {
    if (isOurs) rmSync(POLICY, { force: true });
  }
  if (existsSync('/run/systemd/system')) await attempt(['systemctl', 'disable', 'ssh.service', 'ssh.socket']);
}
