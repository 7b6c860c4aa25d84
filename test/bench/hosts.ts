import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const SSHD = '/usr/sbin/sshd';
/** Where Farweave keeps its state on a host. The mount point has to be there before the host can have its own. */
const STATE = '/var/lib/farweave';
/** How many are started at once. */
const AT_ONCE = 8;

/** Where a host answers, and as whom all of them are logged in to. */
export interface Place {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** Simulated hosts: real OpenSSH servers on addresses of the loopback. Root on each of them by one key. */
export interface Hosts {
  /** The file of the private key. */
  readonly key: string;
  /** Names the key that all hosts show, for every client that asks. */
  readonly knownHosts: string;
  /** So many new ones, which no cluster owns yet; those before them are gone. */
  anew(count: number): Promise<readonly Place[]>;
  /** The text of a file on a host, read past SSH; undefined where it has none. */
  read(host: Place, path: string): string | undefined;
  /** How many processes a host has begun so far. */
  begun(host: Place): number;
  /** All of them go, and what runs on them. */
  remove(): void;
}

/**
 * A host has mounts and processes of its own, and all that is written on it lies in memory, so that one disk does not
 * stand for a thousand; the machine's own files it can only read. It shares processors, network and programs with the
 * others. This is its boot.
 */
const HOST = `set -eu
for place in /run /tmp /root /srv ${STATE}; do mount -t tmpfs -o mode=755,size=256m host "$place"; done
mount -o remount,bind,ro /
chmod 1777 /tmp
mkdir /run/sshd /srv/target
exec ${SSHD} -D -e -f "$1" -o "ListenAddress $2"`;

/** Nothing runs yet. `folder` must not be below any of the places that hosts have for themselves. */
export async function simulated(folder: string, say: (line: string) => void): Promise<Hosts> {
  if (!existsSync(SSHD)) throw new Error(`${SSHD} is missing: install the package openssh-server.`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const made = mkdirSync(STATE, { recursive: true }) !== undefined;
  for (const name of ['host', 'user'])
    execFileSync('/usr/bin/ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
  const port = await freePort();
  const config = join(folder, 'sshd_config');
  const knownHosts = join(folder, 'known_hosts');
  const [kind, blob] = readFileSync(join(folder, 'host.pub'), 'utf8').split(' ');
  writeFileSync(knownHosts, `* ${kind} ${blob}\n`);
  writeFileSync(config, settings(folder, port));
  const log = openSync(join(folder, 'sshd.log'), 'a');
  const running = new Map<string, ChildProcess>();

  const start = async (host: Place): Promise<void> => {
    const args = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private', '--'];
    const boot = ['sh', '-c', HOST, 'host', config, `${host.address}:${host.port}`];
    const child = spawn('/usr/bin/unshare', [...args, ...boot], { stdio: ['ignore', log, log] });
    running.set(host.name, child);
    for (let tries = 0; tries < 600; tries++) {
      if (child.exitCode !== null) break;
      if (await listens(host)) return;
      await sleep(20);
    }
    throw new Error(`${host.name} does not start: ${readFileSync(join(folder, 'sshd.log'), 'utf8').slice(-500)}`);
  };

  return {
    key: join(folder, 'user'),
    knownHosts,
    anew: async (count) => {
      await Promise.all([...running.values()].map(gone));
      running.clear();
      say(`starting ${count} hosts`);
      const wanted = Array.from({ length: count }, (_, n) => placeOf(n, port));
      const began = Date.now();
      const queue = wanted.values();
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (const host of queue) await start(host);
        }),
      );
      say(`${count} hosts run (${((Date.now() - began) / 1_000).toFixed(1)} s)`);
      return wanted;
    },
    read: (host, path) => {
      const init = initOf(running.get(host.name));
      try {
        return readFileSync(`/proc/${init}/root${path}`, 'utf8');
      } catch {
        return undefined;
      }
    },
    begun: (host) => {
      const enter = ['-t', initOf(running.get(host.name)), '-p', '-m', '--', 'cat', '/proc/loadavg'];
      // The last number is the id of the newest process of the host, which is this one's.
      return Number(execFileSync('/usr/bin/nsenter', enter, { encoding: 'utf8' }).split(' ').at(-1));
    },
    remove: () => {
      for (const child of running.values()) child.kill('SIGKILL');
      running.clear();
      try {
        if (made) rmdirSync(STATE);
      } catch {
        // Somebody has put something there meanwhile.
      }
    },
  };
}

/** OpenSSH's defaults, so that limits such as MaxSessions and MaxStartups are those of real hosts; but no PAM. */
const settings = (folder: string, port: number) => `Port ${port}
HostKey ${folder}/host
AuthorizedKeysFile ${folder}/user.pub
PidFile none
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
LogLevel ERROR
Subsystem sftp internal-sftp
`;

/** vm0 at 127.1.0.1, and 250 to a block. */
function placeOf(n: number, port: number): Place {
  return { name: `vm${n}`, address: `127.1.${Math.floor(n / 250)}.${(n % 250) + 1}`, port };
}

/** The process that is the first one inside: the only child of the one that made the namespaces. */
function initOf(child: ChildProcess | undefined): string {
  const { pid } = child ?? {};
  return pid === undefined ? '' : readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
}

/** Its first process goes first, and all others with it, so that its address is free when this has come to an end. */
async function gone(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  process.kill(Number(initOf(child)), 'SIGKILL');
  await ended;
}

/** One that is free on every address. */
async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

function listens({ address, port }: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port });
    const answer = (yes: boolean) => () => {
      socket.destroy();
      resolve(yes);
    };
    socket.on('connect', answer(true)).on('error', answer(false));
  });
}
