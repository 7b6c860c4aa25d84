import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type AuthContext, type Connection } from 'ssh2';
import type { Target } from '../src/ssh/host.ts';

/** What a login tried, in order: the method, and what was sent with it. */
interface Attempt {
  readonly method: string;
  readonly password?: string;
}

export interface ServerOptions {
  /** The password that lets one in; none does if it is missing. */
  readonly password?: string;
  /** Methods that are taken. Default `password`. */
  readonly methods?: readonly ('password' | 'keyboard-interactive' | 'publickey')[];
  /** `none`: closes every connection once the keys are exchanged. */
  readonly login?: 'none';
  /** The password that the host's sudo wants. `nopasswd`: it does not ask. `refuses`: the user may not. `missing`: there is none. */
  readonly sudo?: string | { readonly is: 'nopasswd' | 'refuses' | 'missing' };
  /** Whether the host's doas lets everybody become root, or asks for a password. */
  readonly doas?: 'nopass' | 'asks';
  /** It takes questions for a way to others, and never answers them. */
  readonly leads?: 'nowhere';
  /** Host keys, PEM. */
  readonly hostKeys?: readonly string[];
  /** Sessions a connection that may be open at once. */
  readonly sessions?: number;
}

export interface Server {
  readonly target: Target;
  readonly attempts: readonly Attempt[];
  /** Passwords that sudo was given, in order. */
  readonly sudoAttempts: readonly string[];
  /** Connections made. */
  readonly connections: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Most sessions that were open at once on one connection. */
  readonly mostSessions: number;
  cut(): void;
  close(): void;
}

/** ssh2 makes a key now and then that it cannot read itself. */
export function keyPair(
  kind: 'ed25519' | 'ecdsa',
  passphrase?: string,
): { readonly private: string; readonly public: string } {
  const { generateKeyPairSync: generate } = ssh2.utils;
  const ed25519 = () =>
    passphrase === undefined
      ? generate('ed25519')
      : generate('ed25519', { passphrase, cipher: 'aes256-cbc', rounds: 4 });
  for (;;) {
    try {
      const pair = kind === 'ecdsa' ? generate('ecdsa', { bits: 256 }) : ed25519();
      const [secret, open] = [ssh2.utils.parseKey(pair.private, passphrase), ssh2.utils.parseKey(pair.public)];
      if (secret instanceof Error || open instanceof Error) continue;
      if (open.verify('proof', secret.sign('proof')) === true) return pair;
    } catch {
      // the same
    }
  }
}

const KEY = keyPair('ed25519');

/** A machine in this process that runs what it is told in a real shell, with a sudo of its own, for any user. */
export async function createServer(options: ServerOptions = {}): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'ssh-server-'));
  writeFileSync(join(folder, 'sudo'), sudoOf(options.sudo ?? { is: 'nopasswd' }, folder), { mode: 0o755 });
  if (options.doas) writeFileSync(join(folder, 'doas'), doasOf(options.doas), { mode: 0o755 });
  writeFileSync(join(folder, 'attempts'), '');
  const attempts: Attempt[] = [];
  const open = new Set<Connection>();
  let connections = 0;
  let most = 0;
  const server = new ssh2.Server({ hostKeys: [...(options.hostKeys ?? [KEY.private])] }, (client) => {
    connections += 1;
    let sessions = 0;
    open.add(client);
    client.on('close', () => open.delete(client)).on('error', () => {});
    client.on('authentication', (context) => {
      attempts.push({ method: context.method, ...(context.method === 'password' && { password: context.password }) });
      if (options.login === 'none') return client.end();
      authenticate(context, options, attempts);
    });
    if (options.leads === 'nowhere') client.on('tcpip', () => {});
    client.on('session', (accept, reject) => {
      if (sessions >= (options.sessions ?? 10)) return reject();
      sessions += 1;
      most = Math.max(most, sessions);
      accept().on('exec', (accepted, _reject, { command }) => {
        const channel = accepted();
        const shell = spawn('/bin/sh', ['-c', command], {
          detached: true, // a process group of its own, as sshd gives it
          env: {
            ...process.env,
            PATH: options.sudo && is(options.sudo, 'missing') ? '/nowhere' : `${folder}:${process.env.PATH}`,
          },
        });
        channel.pipe(shell.stdin).on('error', () => {});
        shell.stdout.pipe(channel, { end: false });
        shell.stderr.pipe(channel.stderr, { end: false });
        shell.on('close', (code, signal) => {
          sessions -= 1;
          if (signal) channel.exit(signal.slice(3));
          else channel.exit(code ?? 0);
          channel.end();
        });
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    target: {
      name: 'vm0',
      address: '127.0.0.1',
      port: typeof address === 'object' && address ? address.port : 0,
      user: 'vagrant',
      ...(options.password !== undefined && { password: options.password }),
    },
    attempts,
    get sudoAttempts() {
      return readFileSync(join(folder, 'attempts'), 'utf8').split('\n').slice(0, -1);
    },
    get connections() {
      return connections;
    },
    get open() {
      return open.size;
    },
    get mostSessions() {
      return most;
    },
    cut: () => {
      for (const client of open) client.end();
    },
    close: () => {
      for (const client of open) client.end();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const is = (sudo: ServerOptions['sudo'], what: string) => typeof sudo === 'object' && sudo.is === what;

function authenticate(
  context: AuthContext,
  { password, methods = ['password'] }: ServerOptions,
  attempts: Attempt[],
): void {
  const others = () => context.reject([...methods]);
  const known = methods.find((method) => method === context.method);
  if (known === undefined) return others();
  if (context.method === 'password') return context.password === password ? context.accept() : others();
  if (context.method === 'publickey') return context.accept();
  if (context.method !== 'keyboard-interactive') return others();
  context.prompt([{ prompt: 'Password: ', echo: false }], (answers) => {
    attempts.push({ method: 'answer', password: answers[0] ?? '' });
    if (answers[0] === password) context.accept();
    else others();
  });
}

/** Behaves as sudo -S -p PROMPT -- COMMAND: asks up to three times, and reads no further than the line that it asked for. */
function sudoOf(sudo: NonNullable<ServerOptions['sudo']>, folder: string): string {
  const run = 'shift 4; exec "$@"';
  if (is(sudo, 'nopasswd')) return `#!/bin/sh\n${run}\n`;
  const right = typeof sudo === 'string' ? sudo : '';
  return `#!/bin/sh
printf '\\nWe trust you have received the usual lecture.\\n\\n' >&2
for _ in 1 2 3; do
  printf %s "$3" >&2
  IFS= read -r password || { echo 'sudo: no password was provided' >&2; exit 1; }
  echo "$password" >>${folder}/attempts
  if [ "$password" = '${right}' ]; then ${is(sudo, 'refuses') ? 'echo "vagrant is not in the sudoers file." >&2; exit 1' : run}; fi
  echo 'Sorry, try again.' >&2
done
exit 1
`;
}

/** Behaves as doas -n -- COMMAND. */
function doasOf(how: NonNullable<ServerOptions['doas']>): string {
  const options = '[ "$1 $2" = "-n --" ] || { echo usage >&2; exit 1; }';
  const act = how === 'nopass' ? 'shift 2; exec "$@"' : 'echo "doas: Authentication required" >&2; exit 1';
  return `#!/bin/sh\n${options}\n${act}\n`;
}
