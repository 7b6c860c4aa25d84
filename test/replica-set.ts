import vm from 'node:vm';
import type { Script } from '../src/ssh/command.ts';
import { ran } from './sh.ts';

interface Member {
  _id: number;
  host: string;
  votes: number;
  priority: number;
}

interface Config {
  version: number;
  members: Member[];
  settings: { electionTimeoutMillis: number };
}

/** What a member answers to a command of the shell. */
type Answer = Record<string, unknown> & { ok: number };

const failed = (code: number, errmsg: string): Answer => ({ ok: 0, code, errmsg });

/**
 * A replica set as far as scripts that change one can tell: who votes, who is the primary, and what MongoDB refuses.
 * Its clock only goes on while a script sleeps.
 */
export class ReplicaSet {
  config: Config;
  primary: string | undefined;
  /** Seconds by which members are behind. */
  readonly behind = new Map<string, number>();
  readonly dead = new Set<string>();
  /** Answer, and are in no set. */
  readonly fresh = new Set<string>();
  /** What was done to it, in order: `- node0`, `+ node3`, `vote node3`, `step down node0`, `force - node0`. */
  readonly log: string[] = [];
  #election: number | undefined;
  #now = 0;

  constructor(members: readonly string[]) {
    const all = members.map((host, _id) => ({ _id, host, votes: 1, priority: 1 }));
    this.config = { version: 1, members: all, settings: { electionTimeoutMillis: 5000 } };
    this.primary = members[0];
  }

  /** From now on it answers nobody. If it is the primary, the others elect another where they are enough. */
  kill(host: string): this {
    this.dead.add(host);
    if (this.primary === host) this.#elect();
    return this;
  }

  /** Runs the JavaScript of a script in the shell of a member's container. Gives what it printed, and its exit code. */
  run(script: Script, local: string): { readonly said: readonly string[]; readonly exitCode: number } {
    const said: string[] = [];
    const quit = (exitCode: number) => {
      throw Object.assign(new Error('quit'), { exitCode });
    };
    const open = (address: string) => {
      const host = address.startsWith('127.0.0.1') ? local : address;
      if (this.dead.has(host)) throw new Error('connection refused');
      const runCommand = (command: Record<string, unknown>) => this.#answer(host, structuredClone(command));
      return { setSecondaryOk: () => {}, getDB: () => ({ runCommand, auth: () => true }) };
    };
    const sleep = (milliseconds: number) => this.#pass(milliseconds);
    class Mongo {
      constructor(address: string) {
        return open(address);
      }
    }
    try {
      vm.runInNewContext(codeOf(script), { Mongo, sleep, quit, print: (line: string) => said.push(line) });
      return { said, exitCode: 0 };
    } catch (error) {
      const { exitCode } = error as { exitCode?: number };
      if (exitCode === undefined) throw error;
      return { said, exitCode };
    }
  }

  #pass(milliseconds: number): void {
    this.#now += milliseconds;
    if (this.#election !== undefined && this.#now >= this.#election) this.#elected();
  }

  #elect(): void {
    this.primary = undefined;
    this.#election = this.#now + 2000;
  }

  #elected(): void {
    this.#election = undefined;
    const [stepped] = this.log.at(-1)?.match(/(?<=^step down ).*/) ?? [];
    const heirs = this.#voting(this.config).filter(({ host, priority }) => priority > 0 && short(host) !== stepped);
    if (!this.#hasMajority(this.config)) return;
    this.primary = heirs.map(({ host }) => host).find((host) => !this.dead.has(host) && !this.behind.get(host));
    if (this.primary) this.log.push(`elected ${short(this.primary)}`);
  }

  #voting = ({ members }: Config) => members.filter(({ votes }) => votes > 0);

  #hasMajority(config: Config): boolean {
    const voting = this.#voting(config);
    return voting.filter(({ host }) => !this.dead.has(host)).length > voting.length / 2;
  }

  #answer(host: string, command: Record<string, unknown>): Answer {
    const isMember = this.config.members.some((member) => member.host === host);
    const [name = ''] = Object.keys(command);
    if (name === 'ping') return { ok: 1 };
    if (name === 'hello') {
      if (this.fresh.has(host) || !isMember) return { ok: 1 };
      const { primary } = this;
      return { ok: 1, setName: 'rs0', me: host, isWritablePrimary: primary === host, ...(primary && { primary }) };
    }
    if (name === 'replSetGetConfig') return { ok: 1, config: structuredClone(this.config) };
    if (name === 'replSetGetStatus')
      return { ok: 1, members: this.config.members.map((one) => this.#status(one, host)) };
    if (name === 'replSetStepDown') return this.#stepDown(host);
    if (name === 'replSetReconfig') return this.#reconfigure(host, command as never);
    return failed(59, `no such command: ${name}`);
  }

  #status({ host, votes }: Member, asked: string) {
    const isDead = this.dead.has(host);
    const state = isDead ? 8 : host === this.primary ? 1 : 2;
    const optimeDate = new Date(1_000_000 + this.#now - 1000 * (this.behind.get(host) ?? 0));
    if (!votes && !isDead) this.fresh.delete(host); // it has copied
    return { name: host, health: isDead ? 0 : 1, state, self: host === asked, optimeDate };
  }

  #stepDown(host: string): Answer {
    if (this.primary !== host) return failed(10107, 'not primary');
    this.log.push(`step down ${short(host)}`);
    this.#elect();
    return { ok: 1 };
  }

  #reconfigure(host: string, { replSetReconfig: next, force }: { replSetReconfig: Config; force?: boolean }): Answer {
    if (!force && this.primary !== host) return failed(10107, 'not primary');
    const names = (config: Config) => this.#voting(config).map((member) => member.host);
    const [before, after] = [names(this.config), names(next)];
    const differing = [...before, ...after].filter((name) => !(before.includes(name) && after.includes(name)));
    if (!force && differing.length > 1)
      return failed(103, 'Non force replica set reconfig can only add or remove at most 1 voting member');
    if (after.length > 7) return failed(103, 'at most 7 voting members');
    if (!force && this.primary !== undefined && !after.includes(this.primary))
      return failed(103, 'the primary must be electable');
    if (!force && !this.#hasMajority(next))
      return failed(74, 'Quorum check failed because not enough voting nodes responded');
    const how = force ? 'force ' : '';
    const all = (config: Config) => config.members.map((member) => member.host);
    for (const name of all(this.config)) if (!all(next).includes(name)) this.log.push(`${how}- ${short(name)}`);
    for (const name of all(next)) if (!all(this.config).includes(name)) this.log.push(`${how}+ ${short(name)}`);
    for (const name of after) if (!before.includes(name)) this.log.push(`vote ${short(name)}`);
    this.config = structuredClone(next);
    if (force) this.#elect();
    return { ok: 1 };
  }
}

const short = (host: string) => host.split('.')[0]!;

/** What reaches the shell in the container, by running the script with a `docker` that only prints it. */
function codeOf(script: Script): string {
  const { stdout, stderr, exitCode } = ran(script, { valueOf: () => 'secret', programs: { docker: 'cat' } });
  if (exitCode !== 0) throw new Error(stderr);
  return stdout;
}
