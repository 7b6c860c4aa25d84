import { createHash } from 'node:crypto';
import type { Command, Output } from '../src/ssh/command.ts';
import { Cancelled, Detached, Fenced, JobLost, KeyConflict, LinkLost, Unreachable } from '../src/ssh/errors.ts';
import type { Connect, Host, Job, Target, Values, Watch } from '../src/ssh/host.ts';

/** What a machine was told. `key` and `fence` are those of the job, for what changes it. */
export interface Told {
  readonly host: string;
  readonly how: 'ask' | 'run';
  readonly text: string;
  readonly values: Values;
  readonly key?: string;
  readonly fence?: number;
}

/** A stdout (exit code 0), an exit code, a whole output, or an error to reject with. */
export type Reply = string | number | Partial<Output> | Error;
/** Gets what the host was told, and the host, whose `state` may hold whatever a test needs. */
export type Handler = (told: Told, host: FakeHost) => Reply | undefined | Promise<Reply | undefined>;

interface Rule {
  readonly pattern: RegExp;
  readonly reply: Reply | Handler;
}

/**
 * Machines in memory, for tests of what stands above `ssh/`. Rules say what a text is answered with; later rules win,
 * and a handler that returns undefined passes on to the next. Receipts, the owner's marker and the once-only keys of jobs work
 * as on a real host.
 *
 *     const hosts = new FakeHosts();
 *     hosts.on(/dpkg-query/, (_, host) => host.state.get('docker') ?? 1);
 *     hosts.on(/apt-get install/, (_, host) => void host.state.set('docker', '26.1'));
 *     hosts.get('vm1').unreachable = true;
 *     createPerformer({ connect: hosts.connect, … });
 *
 * A question without a rule is answered with exit code 1, a change without one with 0.
 */
export class FakeHosts {
  /** Everything that was told to any host, in order. */
  readonly told: Told[] = [];
  readonly rules: Rule[] = [];
  readonly #hosts = new Map<string, FakeHost>();

  /** A rule for every host. */
  on(pattern: RegExp, reply: Reply | Handler): this {
    this.rules.unshift({ pattern, reply });
    return this;
  }

  /** By name; made when first asked for. */
  get(name: string): FakeHost {
    const host = this.#hosts.get(name) ?? new FakeHost(name, this);
    this.#hosts.set(name, host);
    return host;
  }

  /** What changed a host, in order. */
  get changes(): readonly Told[] {
    return this.told.filter(({ how }) => how === 'run');
  }

  readonly connect: Connect = async (target) => this.get(target.name).connect(target);
}

export class FakeHost {
  readonly name: string;
  /** Whatever handlers want to remember. */
  readonly state = new Map<string, string>();
  /** Names of the receipts that lie here. */
  readonly receipts = new Set<string>();
  /** What jobs have recorded of their steps, by rollout. */
  readonly records = new Map<string, string[]>();
  /** The text of the marker that says whose the host is. */
  owner?: string;
  /** Every connect, question and job is rejected with Unreachable. */
  unreachable = false;
  hostKey = 'SHA256:fake';
  /** Milliseconds before every answer. */
  delay = 0;
  /** The targets that connected, to see which credentials were used. */
  readonly targets: Target[] = [];
  readonly #rules: Rule[] = [];
  readonly #all: FakeHosts;
  readonly #jobs = new Map<string, { readonly hash: string; readonly output: Promise<Output> }>();
  #fence = 0;
  #crashes: RegExp[] = [];

  constructor(name: string, all: FakeHosts) {
    this.name = name;
    this.#all = all;
  }

  /** A rule for this host; it goes before those for every host. */
  on(pattern: RegExp, reply: Reply | Handler): this {
    this.#rules.unshift({ pattern, reply });
    return this;
  }

  /** Once: the next job that matches is carried out, but whoever waits for it learns LinkLost. The job is then found by its key. */
  crashAfter(pattern: RegExp): this {
    this.#crashes.push(pattern);
    return this;
  }

  connect(target: Target): Host {
    this.#reach();
    this.targets.push(target);
    return {
      hostKey: this.hostKey,
      ask: async (questions, values, { cancel } = {}) => {
        await this.#wait(cancel);
        return Promise.all(questions.map((question) => this.#answer(question, values)));
      },
      run: async (job, watch = {}) => this.#run(job, watch),
    };
  }

  get #place() {
    return { name: this.name, address: '127.0.0.1', port: 22 };
  }

  #reach(): void {
    if (this.unreachable) throw new Unreachable(this.#place, 'connection refused (fake)');
  }

  async #wait(cancel?: AbortSignal, detach?: AbortSignal): Promise<void> {
    this.#reach();
    const until = Date.now() + this.delay;
    do {
      if (cancel?.aborted) throw new Cancelled(this.#place, 'cancelled (fake)');
      if (detach?.aborted) throw new Detached(this.#place, 'detached (fake)');
      if (this.delay > 0) await new Promise((done) => setTimeout(done, Math.min(10, until - Date.now())));
    } while (Date.now() < until);
    this.#reach();
  }

  async #answer({ text }: Command, values: Values): Promise<Output> {
    const traced = /^cd \S*\/farweave\/receipts\/(\S+) [^]*done <\.record$/.exec(text)?.[1];
    if (traced !== undefined) return this.#trace(traced);
    if (/^cat \S*\/farweave\/owner /.test(text)) return output(this.owner ?? 1);
    return this.#apply(
      { host: this.name, how: 'ask', text, values },
      { exitCode: 1, stderr: `fake: no rule for ${text}` },
    );
  }

  async #run({ key, script, values, fence }: Job, watch: Watch): Promise<Output> {
    await this.#wait(watch.cancel, watch.detach);
    const there = this.#jobs.get(key);
    if (!script) return there ? there.output : Promise.reject(new JobLost(this.#place, 'no such job (fake)', ''));
    const hash = createHash('sha256').update(script.text).digest('hex');
    if (there && there.hash !== hash) throw new KeyConflict(this.#place, key);
    if (there) return there.output;
    if (fence < this.#fence) throw new Fenced(this.#place, fence, this.#fence);
    this.#fence = fence;
    const change = this.#change({ host: this.name, how: 'run', text: script.text, values, key, fence });
    this.#jobs.set(key, { hash, output: change });
    const result = await change;
    watch.onAlive?.();
    watch.onLog?.(Buffer.from(result.stdout), result.stdout.length);
    const crash = this.#crashes.findIndex((pattern) => pattern.test(script.text));
    if (crash >= 0) {
      this.#crashes.splice(crash, 1);
      throw new LinkLost(this.#place, 'link lost after the change (fake)');
    }
    return result;
  }

  async #change(told: Told): Promise<Output> {
    const claimed = /^printf %s '(\{"id":"[^"]*",.*\})' > \S*\/farweave\/owner\.\$\$ /m.exec(told.text)?.[1];
    if (claimed !== undefined) {
      this.owner ??= claimed;
      if (!this.owner.startsWith(claimed.slice(0, claimed.indexOf(',') + 1)))
        return output({ exitCode: 77, stdout: `${this.owner}\n` });
    }
    const lane = /^\[ ! -e \S*\/farweave\/receipts\/(\S+)\/\.new \]/m.exec(told.text)?.[1];
    const result = lane === undefined ? await this.#apply(told, {}) : await this.#inOrder(lane, told);
    for (const [, dropped] of told.text.matchAll(/^rm -rf \S*\/farweave\/receipts\/(\S+)/gm)) {
      if (dropped === undefined || dropped.endsWith('.new') || result.exitCode !== 0) continue;
      for (const receipt of this.receipts)
        if (receipt === dropped || receipt.startsWith(`${dropped}/`)) this.receipts.delete(receipt);
    }
    return result;
  }

  /** What a rollout has begun here. */
  async #trace(rollout: string): Promise<Output> {
    // A test may want that this cannot be read.
    const [told] = [{ host: this.name, how: 'ask' as const, text: `traces of ${rollout}`, values: {} }];
    const receipts = [...this.receipts]
      .filter((name) => name.startsWith(`${rollout}/`))
      .map((name) => `receipt ${name.slice(rollout.length + 1)}`);
    const entries = (this.records.get(rollout) ?? []).map((line) => `entry ${line}`);
    return this.#apply(told, [...receipts, ...entries].join('\n'));
  }

  /** The steps of a job, each by the rules, until one fails; guards are asked by the rules too. */
  async #inOrder(rollout: string, told: Told): Promise<Output> {
    const record = this.records.get(rollout) ?? [];
    this.records.set(rollout, record);
    const stages = /^for stage in (.*); do \[ -d/m.exec(told.text)?.[1]?.split(' ') ?? [];
    for (const stage of stages) this.receipts.add(`${rollout}/${stage}`);
    const parts = told.text.split(/^(?=echo '[^']*' >&4$)/m).slice(1);
    let last = output({});
    for (const text of parts) {
      const [, entry = '', kept] = /^echo '([^']*?)( kept)?' >&4$/m.exec(text) ?? [];
      if (kept) continue;
      record.push(entry);
      last = await this.#apply({ ...told, text }, {});
      record.push(`${entry} ${last.exitCode}`);
      if (last.exitCode !== 0) break;
    }
    return last;
  }

  async #apply(told: Told, otherwise: Reply): Promise<Output> {
    this.#all.told.push(told);
    for (const { pattern, reply } of [...this.#rules, ...this.#all.rules]) {
      if (!pattern.test(told.text)) continue;
      const given = typeof reply === 'function' ? await reply(told, this) : reply;
      if (given !== undefined) return output(given);
    }
    return output(otherwise);
  }
}

function output(reply: Reply): Output {
  if (reply instanceof Error) throw reply;
  if (typeof reply === 'string') return { exitCode: 0, stdout: reply, stderr: '' };
  if (typeof reply === 'number') return { exitCode: reply, stdout: '', stderr: '' };
  return { exitCode: 0, stdout: '', stderr: '', ...reply };
}
