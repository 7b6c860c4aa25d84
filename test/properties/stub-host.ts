import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assignments } from '../../src/ssh/ask.ts';
import { type Command, quote } from '../../src/ssh/command.ts';
import { CANARY } from './hostile.ts';

/** What scripts did on a host whose programs do nothing but note how they were called. */
export interface Noted {
  /** Every argument of every call, the program's name before them. */
  readonly words: readonly string[];
  /** What programs were given on stdin, and what files hold. */
  readonly texts: readonly string[];
  /** How often what was only a value has been executed. */
  readonly executed: number;
  readonly stderr: string;
}

/** Programs that scripts need for what they say; they see nothing but the host's own folder. */
const REAL = 'awk basename cat cmp cut dirname grep head mkdir mv od printf sed sort tail tr wc xargs'.split(' ');
/** Everything else that a host has. */
const STUBS =
  `apt-cache apt-get apt-key apt-mark bash chgrp chmod chown chroot cp curl date dd df dig dpkg dpkg-deb dpkg-query du
  find flock fuser getent gpg gzip gunzip host hostname hostnamectl id install ip iptables iptables-restore iptables-save journalctl kill ln
  loginctl ls lsblk lsof mktemp modprobe mongo mongosh mountpoint needrestart nft nslookup nproc openssl perl pgrep ping
  pidof ps readlink reboot realpath resolvectl rm rmdir runuser setpriv sha256sum shutdown ss stat su sync sysctl systemctl
  systemd-run tar tcpdump tee test touch true false uname unattended-upgrade update-ca-certificates uptime wg wg-quick
  wireguard-go zstd nsenter unshare swapon swapoff`.split(/\s+/);
/** Run what their arguments say. */
const RUNNERS = { env: 'exec /usr/bin/env "$@"', sh: 'exec /bin/sh "$@"', timeout: 'shift; exec "$@"' } as const;

/** Folders of the machine that scripts name: they become folders of the host's own. */
const PLACES = /(?<![\w.-])\/(?=(?:etc|var|run|usr|sys|proc|srv|opt|root|home|lib|boot)\b)/g;

export class StubHost {
  readonly #folder = mkdtempSync(join(tmpdir(), 'stub-host-'));
  readonly #bin = join(this.#folder, 'bin');
  readonly #root = join(this.#folder, 'root');
  /** Whose files these are, if not ours: scripts that escape must find nothing that they may write. */
  readonly #nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

  constructor() {
    chmodSync(this.#folder, 0o755);
    mkdirSync(this.#bin);
    const program = (name: string, text: string) =>
      writeFileSync(join(this.#bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    const note = `{ printf '%s\\0' "$0" "$@"; } >> "$NOTES/words"`;
    for (const name of STUBS) program(name, `${note}\n[ -t 0 ] || /bin/cat >> "$NOTES/stdin"\nexit $ENDING`);
    for (const name of REAL) program(name, `${note}\nexec ${which(name)} "$@"`);
    // Or nobody would look further.
    program('docker', `${note}\n[ -t 0 ] || /bin/cat >> "$NOTES/stdin"\n[ $ENDING = 1 ] || echo running\nexit $ENDING`);
    for (const [name, text] of Object.entries(RUNNERS)) program(name, `${note}\n${text}`);
    program(CANARY, 'echo executed >> "$NOTES/executed"');
    // Who waits for something waits for ever here.
    program('sleep', 'echo >> "$NOTES/slept"; [ "$(/usr/bin/wc -l < "$NOTES/slept")" -lt 3 ] || kill -KILL $PPID');
  }

  /** The words in which scripts speak of a place on this host. */
  placed(text: string): string {
    return text.replaceAll(PLACES, `${this.#root}/`);
  }

  /** Runs commands each in a subshell, where programs all succeed or all fail, and goes on behind what fails. */
  run(commands: readonly Command[], valueOf: (name: string) => string, ending: 0 | 1): Noted {
    const notes = mkdtempSync(join(this.#folder, 'notes-'));
    rmSync(this.#root, { recursive: true, force: true });
    for (const place of ['etc', 'run', 'var/lib', 'var/cache', 'usr', 'srv'])
      mkdirSync(join(this.#root, place), { recursive: true });
    for (const path of [
      notes,
      this.#root,
      ...readdirSync(this.#root, { recursive: true, encoding: 'utf8' }).map((name) => join(this.#root, name)),
    ])
      if (this.#nobody.uid) chownSync(path, this.#nobody.uid, this.#nobody.gid);
    const names = [...new Set(commands.flatMap(({ variables = {} }) => Object.keys(variables)))];
    const values = assignments(Object.fromEntries(names.map((name) => [name, valueOf(name)])));
    const texts = commands.map(({ text }) => this.placed(text).replaceAll(/^set -eu?$/gm, ':'));
    const input = `cd ${this.#root}\n${values}\n${texts.map((text) => `( eval ${quote(text)} ) </dev/null`).join('\n')}\n`;
    const file = join(notes, 'input');
    writeFileSync(file, input, { mode: 0o644 });
    const { stderr, error } = spawnSync('/bin/sh', [file], {
      ...this.#nobody,
      cwd: this.#root,
      env: { PATH: this.#bin, NOTES: notes, ENDING: String(ending) },
      timeout: 30_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    if (error) throw error;
    const read = (name: string) => (existsSync(join(notes, name)) ? readFileSync(join(notes, name), 'utf8') : '');
    const files = readdirSync(this.#root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const noted = {
      words: read('words').split('\0').slice(0, -1),
      texts: [read('stdin'), ...files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))],
      executed: read('executed').split('\n').length - 1,
      stderr: stderr.toString(),
    };
    rmSync(notes, { recursive: true });
    return noted;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function which(name: string): string {
  const found = ['/usr/bin', '/bin'].map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (!found) throw new Error(`this machine has no ${name}`);
  return found;
}
