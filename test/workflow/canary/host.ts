import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../sshd.ts';

/** What the host has of its own, in a mount namespace: the rest is this machine's. */
const OWN = ['/var/lib', '/run', '/tmp', '/usr/local/bin'];

/** A machine with a real sshd that lets `canary` in by a password, and asks for another one to become root. */
export interface OwnHost {
  readonly port: number;
  /** All that it has of its own. */
  readonly folder: string;
  /** Names its processes: the mount namespace, as /proc has it. */
  readonly namespace: string;
  remove(): void;
}

/** Needs root and openssh-server. Nothing outside its folder, in memory, is written. */
export async function createHost({ login, sudo }: { readonly login: string; readonly sudo: string }): Promise<OwnHost> {
  const folder = mkdtempSync('/dev/shm/farweave-canary-');
  const port = await freePort();
  for (const own of OWN) mkdirSync(join(folder, own), { recursive: true });
  mkdirSync(join(folder, 'run/sshd'));
  mkdirSync(join(folder, 'etc'));
  const hash = execFileSync('/usr/bin/perl', ['-e', 'print crypt(<STDIN>, q($6$canary$))'], { input: login });
  const account = (file: string, line: string) =>
    writeFileSync(join(folder, 'etc', file), `${readFileSync(`/etc/${file}`, 'utf8')}${line}\n`, { mode: 0o600 });
  account('passwd', 'canary:x:0:0::/tmp:/bin/sh');
  account('shadow', `canary:${hash.toString()}:20000:0:99999:7:::`);
  writeFileSync(join(folder, 'usr/local/bin/sudo'), sudoOf(sudo), { mode: 0o755 });
  execFileSync('/usr/bin/ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'etc/host')]);
  writeFileSync(
    join(folder, 'etc/sshd'),
    `ListenAddress 127.0.0.1:${port}
HostKey ${folder}/etc/host
PidFile none
UsePAM no
PermitRootLogin yes
PasswordAuthentication yes
LogLevel QUIET
SetEnv PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
`,
  );
  const mounts = [...OWN, '/etc/passwd', '/etc/shadow'].map((path) => `mount --bind ${folder}${path} ${path}`);
  const start = `set -e\n${mounts.join('\n')}\nexec /usr/sbin/sshd -D -e -f ${folder}/etc/sshd`;
  const server = spawn('/usr/bin/unshare', ['--mount', 'sh', '-c', start], { stdio: ['ignore', 'ignore', 'inherit'] });
  await listening(server, port);
  const namespace = readlinkSync(`/proc/${server.pid}/ns/mnt`);
  return {
    port,
    folder,
    namespace,
    remove: () => {
      for (const pid of readdirSync('/proc')) if (namespaceOf(pid) === namespace) process.kill(Number(pid), 'SIGKILL');
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Asks and answers as sudo does. The account is root already, which sudo itself would not mind, but it may not be installed. */
function sudoOf(password: string): string {
  const hash = createHash('sha256').update(password).digest('hex');
  return `#!/bin/sh
[ "$1 $2" = '-S -p' ] && [ "$4" = -- ] || exit 2
printf %s "$3" >&2
read -r given
[ "$(printf %s "$given" | sha256sum)" = '${hash}  -' ] || exit 1
unset given
shift 4
exec "$@"
`;
}

async function listening(server: ChildProcess, port: number): Promise<void> {
  for (let tries = 0; tries < 200 && server.exitCode === null; tries++) {
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (isThere) return;
    await pause(25);
  }
  throw new Error('the sshd of the test does not listen');
}

function namespaceOf(pid: string): string | undefined {
  try {
    return /^\d+$/.test(pid) ? readlinkSync(`/proc/${pid}/ns/mnt`) : undefined;
  } catch {
    return undefined; // it ended meanwhile
  }
}
