import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { At } from '../../command.ts';
import { EXIT, Failure } from '../../errors.ts';
import { current } from './show.ts';

/** The password is everybody's, so ssh need not ask for it. */
export async function labSsh(_at: At, name: string): Promise<number> {
  const { hosts } = await current();
  const host = hosts.find((one) => one.name === name);
  if (!host)
    throw new Failure(`There is no host ${name} in the lab.`, {
      hint: `There are: ${hosts.map((one) => one.name).join(', ')}`,
    });
  const folder = mkdtempSync(join(tmpdir(), 'farweave-ssh-'));
  const askpass = join(folder, 'askpass');
  writeFileSync(askpass, `#!/bin/sh\necho ${host.password}\n`, { mode: 0o700 });
  try {
    const options = [
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'LogLevel=ERROR',
      'PubkeyAuthentication=no',
    ];
    const args = [
      ...options.flatMap((option) => ['-o', option]),
      '-p',
      String(host.port),
      `${host.user}@${host.sshAddress}`,
    ];
    const env = { ...process.env, SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':' };
    const [code] = await once(spawn('ssh', args, { env, stdio: 'inherit' }), 'exit');
    return typeof code === 'number' ? code : EXIT.failed;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
