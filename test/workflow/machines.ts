import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { publicHalf } from '../../src/ssh/access-key.ts';
import { BastionKeyChanged } from '../../src/ssh/bastions.ts';
import type { Output } from '../../src/ssh/command.ts';
import { fingerprint } from '../../src/ssh/connection.ts';
import {
  AuthenticationFailed,
  Cancelled,
  Detached,
  Fenced,
  HostKeyChanged,
  JobLost,
  KeyConflict,
  Unreachable,
} from '../../src/ssh/errors.ts';
import type { Connect, Job, Target, Values, Watch } from '../../src/ssh/host.ts';

/** Where a machine may have the key that it shows. */
export const HOST_KEY_FILE = 'etc/ssh/ssh_host_ed25519_key';

/**
 * Machines as folders: a real shell, with the paths that scripts use moved under the machine's own folder.
 * Everything is a file, jobs too, so that a worker in another process finds what one has begun that was killed.
 */
export class Machines {
  readonly folder: string;

  constructor(folder?: string) {
    const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    this.folder = folder ?? mkdtempSync(join(base, 'farweave-machines-'));
  }

  of(name: string): Machine {
    return new Machine(name, this.folder);
  }

  readonly connect: Connect = async (target) => {
    const bastionKeys = this.#through(target);
    return { ...this.of(target.name).connect(target), ...(target.via && { bastionKeys }) };
  };

  /** The keys of the bastions on the way, which are machines too. */
  #through({ via }: Target): Readonly<Record<string, string>> {
    if (!via) return {};
    const before = this.#through(via);
    try {
      return { ...before, [via.name]: this.of(via.name).connect(via).hostKey };
    } catch (error) {
      throw error instanceof HostKeyChanged ? new BastionKeyChanged(error) : error;
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class Machine {
  readonly #root: string;
  readonly #all: string;
  readonly name: string;

  constructor(name: string, all: string) {
    this.name = name;
    this.#all = all;
    this.#root = join(all, name);
    mkdirSync(join(this.#root, 'srv'), { recursive: true });
  }

  /** Under `/srv`, or beside it for what is the machine's own: `unreachable`, `hostkey`, `password`, `keys`, `fence`. */
  read(path: string): string | undefined {
    const file = join(this.#root, path);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }

  write(path: string, content = ''): void {
    mkdirSync(dirname(join(this.#root, path)), { recursive: true });
    writeFileSync(join(this.#root, path), content);
  }

  remove(path: string): void {
    rmSync(join(this.#root, path), { recursive: true, force: true });
  }

  /** Names in a folder. */
  list(path: string): readonly string[] {
    const folder = join(this.#root, path);
    return existsSync(folder) ? readdirSync(folder).toSorted() : [];
  }

  /** What changed this machine, in order: a line each, written by the scripts themselves. */
  get log(): readonly string[] {
    return (this.read('srv/log') ?? '').split('\n').filter((line) => line !== '');
  }

  connect(target: Target) {
    if (this.read('unreachable') !== undefined) throw new Unreachable(target, 'connection refused');
    const hostKey = this.read('hostkey') ?? this.#ownKey() ?? `SHA256:${this.name}`;
    if (target.hostKey !== undefined && target.hostKey !== hostKey)
      throw new HostKeyChanged(target, target.hostKey, hostKey);
    const password = this.read('password');
    if (password !== undefined && password !== target.password && !this.#takes(target.privateKey))
      throw new AuthenticationFailed(target, 'permission denied');
    return {
      hostKey,
      ask: async (questions: readonly { text: string }[], values: Values) =>
        this.#ask(
          questions.map(({ text }) => text),
          values,
        ),
      run: async (job: Job, watch: Watch = {}) => this.#run(target, job, watch),
    };
  }

  /** Of a machine that has its key in a file, as an sshd that is started for each connection reads it. */
  #ownKey(): string | undefined {
    const key = this.read(HOST_KEY_FILE);
    return key === undefined ? undefined : fingerprint(Buffer.from(publicHalf(key)!.split(' ')[1]!, 'base64'));
  }

  /** As sshd would, from the file of keys that the machine has in place of root's. */
  #takes(privateKey: string | undefined): boolean {
    const key = privateKey && publicHalf(privateKey);
    return key !== undefined && key !== '' && (this.read('keys') ?? '').includes(key);
  }

  /** All in one shell, each in a subshell of its own. */
  async #ask(texts: readonly string[], values: Values): Promise<readonly Output[]> {
    const folder = mkdtempSync(join(this.#root, 'ask-'));
    const script = texts.map(
      (text, n) => `(\n${this.#moved(text)}\n) >${folder}/o${n} 2>${folder}/e${n}\necho $? >${folder}/x${n}`,
    );
    const shell = spawn('sh', ['-c', script.join('\n')], { env: environment(values), stdio: 'ignore' });
    await new Promise((done) => shell.once('close', done));
    const read = (kind: string, n: number) => readFileSync(`${folder}/${kind}${n}`, 'utf8');
    const outputs = texts.map((_, n) => ({
      exitCode: Number(read('x', n)),
      stdout: read('o', n),
      stderr: read('e', n),
    }));
    rmSync(folder, { recursive: true });
    return outputs;
  }

  /** Detached, once for a key; a second call follows the first, from whatever process. */
  async #run(target: Target, { key, script, values, fence }: Job, { cancel, detach, onLog }: Watch): Promise<Output> {
    const folder = join(this.#root, 'jobs', key);
    const hash = script && createHash('sha256').update(script.text).digest('hex');
    if (!hash && !existsSync(join(folder, 'begun'))) throw new JobLost(target, 'there is no such job', '');
    if (hash && !existsSync(join(folder, 'hash'))) {
      const seen = Number(this.read('fence') ?? 0);
      if (fence < seen) throw new Fenced(target, fence, seen);
      this.write('fence', String(fence));
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'script'), this.#moved(script.text));
      writeFileSync(join(folder, 'hash'), hash);
    }
    if (hash && readFileSync(join(folder, 'hash'), 'utf8') !== hash) throw new KeyConflict(target, key);
    // Whoever is killed on the way here leaves a job that never began. To begin it twice does nothing: the lock is the job's.
    const supervise =
      'cd "$1"; mkdir begun 2>/dev/null || exit 0; echo $$ >pid; sh script >log 2>&1; echo $? >status.new; mv status.new status';
    if (!existsSync(join(folder, 'begun')))
      spawn('sh', ['-c', supervise, 'sh', folder], {
        env: environment(values),
        detached: true,
        stdio: 'ignore',
      }).unref();
    while (!existsSync(join(folder, 'status'))) {
      if (detach?.aborted) throw new Detached(target, 'detached');
      if (cancel?.aborted && existsSync(join(folder, 'pid'))) {
        process.kill(-Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGKILL');
        writeFileSync(join(folder, 'status'), '137');
        throw new Cancelled(target, 'cancelled');
      }
      await pass(10);
    }
    const log = readFileSync(join(folder, 'log'));
    onLog?.(log, log.length);
    return { exitCode: Number(readFileSync(join(folder, 'status'), 'utf8')), stdout: log.toString(), stderr: '' };
  }

  /** What answers in place of sshd, whatever it is called with. */
  #sshd(): string {
    const says = [`authorizedkeysfile ${join(this.#root, 'keys')}`, `hostkey ${join(this.#root, HOST_KEY_FILE)}`];
    const lines = [...says, `pidfile ${join(this.#root, 'pid')}`].map((line) => `echo ${line}`);
    return `sh -c '${lines.join('; ')}' sshd`;
  }

  #moved(text: string): string {
    return text
      .replaceAll(/(?<![\w./-])\/srv(?![\w-])/g, join(this.#root, 'srv'))
      .replaceAll(/(?<![\w./-])\/shared(?![\w-])/g, join(this.#all, 'shared'))
      .replaceAll(/(?<![\w./-])\/var\/lib\/farweave(?![\w-])/g, join(this.#root, 'farweave'))
      .replaceAll('/etc/ssh/', `${join(this.#root, 'etc/ssh')}/`)
      .replaceAll('/usr/sbin/sshd', this.#sshd())
      .replaceAll('/run/systemd/', `${join(this.#root, 'run/systemd')}/`)
      .replaceAll('kill -HUP', `echo >> ${join(this.#root, 'reloaded')}; true`)
      .replaceAll(/(?<![\w./-])\/(run|etc)\/farweave/g, join(this.#root, '$1', 'farweave'));
  }
}

const environment = (values: Values) => ({ PATH: process.env.PATH, ...values });
