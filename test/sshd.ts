import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Target } from '../src/ssh/host.ts';
import type { PoolOptions } from '../src/ssh/pool.ts';

const SSHD = '/usr/sbin/sshd';

/** A real OpenSSH server on a free port of the loopback, with keys and all state in a folder of its own. */
export interface Sshd {
  readonly target: Target;
  /** Keeps jobs away from the machine's own /var/lib/farweave, and scripts in memory. */
  readonly options: PoolOptions & { readonly state: string; readonly volatile: string };
  readonly folder: string;
  readonly port: number;
  /** `SHA256:…` of one of its keys: `host` (Ed25519) or `host-ecdsa`. */
  fingerprint(key: 'host' | 'host-ecdsa'): string;
  /** How many connections it serves. */
  sessions(): number;
  /** The command line of the processes that hold this text in their arguments. */
  processes(text: string): readonly string[];
  /** Breaks every connection, as a crash of sshd would. Jobs and the server go on. */
  cut(): void;
  /** Whether any process shows this text in its arguments or its environment. */
  shows(text: string): boolean;
  /** Files of this host, its keys aside, that hold this text. */
  holds(text: string): readonly string[];
  stop(): void;
  start(): Promise<void>;
  /** Also ends what jobs left. */
  remove(): void;
}

export interface SshdOptions {
  /** Login names and passwords that PAM knows there. */
  readonly users?: Readonly<Record<string, string>>;
  /** Default 127.0.0.1. */
  readonly address?: string;
}

/**
 * `lines` go before the other lines of its configuration, and so win. Needs root, since it logs root in. Fails, rather
 * than skips, where openssh-server is missing.
 */
export async function createSshd(
  lines: readonly string[] = [],
  { users, address = '127.0.0.1' }: SshdOptions = {},
): Promise<Sshd> {
  if (!existsSync(SSHD)) throw new Error(`${SSHD} is missing: install the package openssh-server`);
  if (process.getuid?.() !== 0) throw new Error('a real sshd that lets root in can be tested by root only');
  // Not below /tmp: what is removed at the end of a test must not be found by a grep over /tmp, and /dev/shm is in memory.
  const folder = mkdtempSync('/dev/shm/farweave-sshd-');
  const port = await freePort();
  mkdirSync('/run/sshd', { recursive: true });
  for (const [name, kind] of [
    ['host', 'ed25519'],
    ['host-ecdsa', 'ecdsa'],
    ['user', 'ed25519'],
  ] as const)
    execFileSync('/usr/bin/ssh-keygen', ['-q', '-t', kind, '-N', '', '-f', join(folder, name)]);
  writeFileSync(
    join(folder, 'config'),
    [
      ...lines,
      `ListenAddress ${address.includes(':') ? `[${address}]` : address}:${port}`,
      `HostKey ${folder}/host`,
      `HostKey ${folder}/host-ecdsa`,
      `AuthorizedKeysFile ${folder}/user.pub`,
      `PidFile ${folder}/pid`,
      `UsePAM ${users ? 'yes' : 'no'}`,
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      'StrictModes no',
      'LogLevel QUIET',
      '',
    ].join('\n'),
  );
  const command = [SSHD, '-D', '-e', '-f', join(folder, 'config')];
  const [program = '', ...args] = users ? withUsers(users, folder, command) : command;
  let server: ChildProcess | undefined;
  const sshd: Sshd = {
    folder,
    port,
    target: {
      name: 'vm0',
      address,
      port,
      user: 'root',
      privateKey: readFileSync(join(folder, 'user'), 'utf8'),
    },
    options: { state: `${folder}/state`, volatile: `${folder}/volatile`, grace: 2, readyTimeout: 10_000 },
    fingerprint: (key) => ofKey(join(folder, `${key}.pub`)),
    sessions: () => processes().filter(({ parent }) => parent === server?.pid).length,
    processes: (text) => processes().flatMap(({ line }) => (line.includes(text) ? [line] : [])),
    cut: () => {
      for (const { pid, parent } of processes())
        if (parent === server?.pid)
          for (const below of processes()) if (below.pid === pid) process.kill(pid, 'SIGKILL');
    },
    shows: (text) =>
      readdirSync('/proc').some(
        (pid) =>
          /^\d+$/.test(pid) && ['cmdline', 'environ'].some((file) => readOr(`/proc/${pid}/${file}`).includes(text)),
      ),
    holds: (text) =>
      readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
        const path = join(entry.parentPath, entry.name);
        return entry.isFile() && readOr(path).includes(text) ? [path] : [];
      }),
    start: async () => {
      server = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      for (let tries = 0; tries < 200; tries++) {
        if (await listens(port, address)) return;
        await pause(25);
      }
      throw new Error(`sshd does not listen on port ${port}`);
    },
    stop: () => void server?.kill('SIGTERM'),
    remove: () => {
      sshd.cut();
      server?.kill('SIGKILL');
      for (const { pid, line } of processes()) if (line.includes(folder)) process.kill(pid, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  await sshd.start();
  return sshd;
}

/** The command in a mount namespace of its own, where these users are known besides those of this machine. */
function withUsers(
  users: Readonly<Record<string, string>>,
  folder: string,
  command: readonly string[],
): readonly string[] {
  const names = Object.keys(users);
  const hash = (password: string) =>
    execFileSync('/usr/bin/openssl', ['passwd', '-6', '-stdin'], { input: password, encoding: 'utf8' }).trim();
  const files = {
    '/etc/passwd': names.map((name, n) => `${name}:x:${3000 + n}:${3000 + n}::/tmp:/bin/sh`),
    '/etc/shadow': names.map((name) => `${name}:${hash(users[name] ?? '')}:19000:0:99999:7:::`),
  };
  for (const [path, lines] of Object.entries(files))
    writeFileSync(join(folder, basename(path)), [readFileSync(path, 'utf8').trimEnd(), ...lines, ''].join('\n'), {
      mode: 0o600,
    });
  chmodSync(join(folder, 'passwd'), 0o644);
  chmodSync(folder, 0o711); // sshd reads the keys of a user as that user
  writeFileSync(
    join(folder, 'pam'),
    'auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\n',
  );
  const mounts = [...Object.keys(files).map((path) => [basename(path), path]), ['pam', '/etc/pam.d/sshd']];
  const bind = mounts.map(([file, path]) => `mount --bind ${folder}/${file} ${path}`);
  return ['unshare', '-m', 'sh', '-ec', `${bind.join('\n')}\nexec "$@"`, 'sh', ...command];
}

/** As ssh-keygen shows it. */
function ofKey(path: string): string {
  return execFileSync('/usr/bin/ssh-keygen', ['-lf', path], { encoding: 'utf8' }).split(' ')[1] ?? '';
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it ended meanwhile
  }
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly line: string;
}

function processes(): readonly Process[] {
  const table = execFileSync('ps', ['-e', '-ww', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' });
  return table
    .split('\n')
    .flatMap((row) => {
      const [, pid, parent, line] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? [];
      return line === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), line }];
    })
    .filter(({ line }) => !line.startsWith('ps -e'));
}

export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

function listens(port: number, address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, address);
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** A relay that delays each way, counts what passes, and can be cut. */
export interface Relay {
  readonly port: number;
  readonly connections: number;
  cut(): void;
  /** Where connections go from here on. */
  lead(to: number): void;
  /** Accepts, and passes nothing on from here on: a black hole. */
  freeze(): void;
  /** New connections pass again; the frozen ones are lost. */
  thaw(): void;
  /** Milliseconds each way, for what comes from now on. */
  slow(delay: number): void;
  close(): void;
}

/** To a port of a host; `delay` in milliseconds each way. */
export async function createRelay(first: number, delay = 0, host = '127.0.0.1'): Promise<Relay> {
  const sockets = new Set<net.Socket>();
  let to = first;
  let wait = delay;
  let connections = 0;
  let frozen = false;
  const lost = new WeakSet<net.Socket>();
  const pipe = (from: net.Socket, into: net.Socket) => {
    const later = (act: () => void) => (wait > 0 ? setTimeout(act, wait) : act());
    from
      .on('data', (data) => lost.has(from) || frozen || later(() => into.writable && into.write(data)))
      .on('end', () => lost.has(from) || later(() => into.end()))
      .on('error', () => into.destroy())
      .on('close', () => lost.has(from) || later(() => into.destroy()));
  };
  const server = net.createServer((from) => {
    connections += 1;
    const into = net.connect(to, host);
    for (const socket of [from, into]) sockets.add(socket.setNoDelay());
    pipe(from, into);
    pipe(into, from);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
    sockets.clear();
  };
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get connections() {
      return connections;
    },
    cut,
    lead: (next) => {
      to = next;
    },
    freeze: () => {
      frozen = true;
      for (const socket of sockets) lost.add(socket);
    },
    thaw: () => {
      frozen = false;
    },
    slow: (milliseconds) => {
      wait = milliseconds;
    },
    close: () => {
      cut();
      server.close();
    },
  };
}
