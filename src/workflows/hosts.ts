import { condition, isCancellation } from '@temporalio/workflow';
import { type Gate, type HostSpec, waves } from '../plan/plan.ts';
import { Account } from './account.ts';
import { converged, type Failed, failureOf } from './activity.ts';
import type { PlacedStage, Progress, SiteInput } from './contract.ts';
import { findOne } from './once.ts';
import { Patience } from './patience.ts';
import { Windows } from './windows.ts';

/** Asked before a step that spans the cluster disturbs some hosts. Notes in the account why it may not. */
export type BeforeDisturbing = (account: Account, stage: PlacedStage, hosts: readonly string[]) => Promise<void>;

/**
 * Runs stages on hosts.
 * Nothing here rejects: a failure is noted, what runs finishes, nothing new begins. So nobody undoes under a running step.
 */
export class Hosts {
  readonly account: Account;
  paused: boolean;
  /** What is being done now, as a phrase. */
  doing = '';
  readonly #input: SiteInput;
  readonly #windows: Windows;
  readonly #beforeDisturbing: BeforeDisturbing | undefined;

  constructor(input: SiteInput, beforeDisturbing?: BeforeDisturbing) {
    this.#input = input;
    this.#beforeDisturbing = beforeDisturbing;
    this.#windows = new Windows(input.windows);
    this.paused = input.paused;
    this.account = new Account(input.ledger, input.dirty);
  }

  async run(): Promise<void> {
    await this.#noting(this.#go(this.#input.stages));
  }

  /** What holds it back by itself. */
  get waits(): Progress['waits'] {
    return this.#windows.waits;
  }

  /** Up to the next barrier every host goes at its own pace. */
  async #go(stages: readonly PlacedStage[]): Promise<void> {
    const barrier = stages.findIndex((stage) => stage.scope !== 'host');
    const free = barrier < 0 ? stages : stages.slice(0, barrier);
    this.doing = free.map((stage) => stage.title).join(', ');
    await this.#each(this.#input.hosts, (host) => this.#goThrough(host, free));
    if (barrier < 0) return;
    const stage = stages[barrier]!;
    this.doing = stage.title;
    if (this.#isDue(stage)) await this.#inWaves(stage);
    await this.#go(stages.slice(barrier + 1));
  }

  async #goThrough(host: HostSpec, stages: readonly PlacedStage[]): Promise<void> {
    let rest = stages.filter((stage) => stage.hosts.includes(host.name));
    while (rest.length > 0 && this.account.goes(host.name)) {
      const next = this.#isNeeded(host, rest[0]!) ? this.#lane(host, rest) : [];
      if (next.length > 0) await this.#bringAbout(host, next);
      rest = rest.slice(next.length || 1);
    }
  }

  /** The steps that share an activity with the first: of one lane, as far as they are needed. */
  #lane(host: HostSpec, [first, ...others]: readonly PlacedStage[]): readonly PlacedStage[] {
    const isDone = (stage: PlacedStage) => ['done', 'unchanged'].includes(this.account.stateOf(host.name, stage) ?? '');
    const end = others.findIndex((stage) => stage.lane !== first!.lane || !this.#isDue(stage) || isDone(stage));
    return [first!, ...(end < 0 ? others : others.slice(0, end))];
  }

  async #inWaves(stage: PlacedStage): Promise<void> {
    if (stage.scope === 'host') return;
    const able = this.#eligible(stage).filter((host) => this.account.goes(host.name));
    const chosen = stage.on === 'each' ? able : await this.#chooseOne(stage, able);
    const needed = new Map(chosen.filter((host) => this.#isNeeded(host, stage)).map((host) => [host.name, host]));
    const { gate } = stage;
    // Those that are done may not be well yet, if an earlier rollout ended at their gate.
    const done = chosen.filter((host) => !needed.has(host.name));
    if (gate && needed.size > 0) await this.#each(done, (host) => this.#passGate(host, stage, gate));
    for (const names of waves(stage.order, [...needed.keys()], this.account.facts)) {
      const wave = names.map((name) => needed.get(name)!);
      if (stage.disrupts) await this.#beforeDisturbing?.(this.account, stage, names);
      await this.#each(wave, (host) => this.#bringAbout(host, [stage]));
      if (gate) await this.#each(wave, (host) => this.#passGate(host, stage, gate));
    }
  }

  /** Once-only work goes where the survey found it done, even if that must be asked again: a fresh host would do it a second time. */
  async #chooseOne(stage: PlacedStage, able: readonly HostSpec[]): Promise<readonly HostSpec[]> {
    const has = able.find((host) => this.account.saidYes(host.name, stage));
    // To ask twice does no harm, so a check may be anybody's.
    const any = stage.kind === 'check' ? able[0] : undefined;
    const one = has ?? any ?? (await findOne(this.#input, this.account, stage, this.#eligible(stage)));
    for (const host of this.#eligible(stage)) if (host !== one) this.account.mark(host.name, stage, 'skipped');
    return one ? [one] : [];
  }

  /** A gate that stays shut stops the rollout whatever the policy: the next hosts may be the last that still work. */
  async #passGate(host: HostSpec, stage: PlacedStage, gate: Gate): Promise<void> {
    const { operation, args, secrets, timeout = stage.timeout } = gate;
    const { lent: _, ...own } = stage; // its arguments are others
    const step = { ...own, operation, args, secrets, timeout, id: `${stage.id}.gate` };
    const call = { host, type: 'host.gate', stages: [step], does: `wait for ${operation}`, id: `${operation} (gate)` };
    try {
      await converged(this.#input, this.account, call);
    } catch (error) {
      this.account.fail(host.name, stage, failureOf(error, `gate ${operation} on ${host.name}`), {
        ...this.#input,
        alone: true,
      });
    }
  }

  /** One step as an activity of its own type, or some of a lane. Retries by failure type go on from where it failed. */
  async #bringAbout(host: HostSpec, stages: readonly PlacedStage[]): Promise<void> {
    const patience = new Patience(this.#input.patience);
    for (let rest = stages; ; ) {
      while (this.#isHeld(host, rest)) await this.#released(host);
      if (!this.account.goes(host.name)) return;
      this.account.begin(host.name, rest);
      const failed = await this.#attempt(host, rest);
      if (!failed) return;
      const done = failed.results ?? [];
      this.account.finish(host.name, rest, done);
      const [at, ...later] = rest.slice(done.length);
      // Only a failure that tells how far it came says what had not begun. Otherwise the receipts on the host decide.
      if (failed.results) this.account.takeOff(host.name, later.slice(failed.begun ?? 0));
      if (failed.ended) this.account.raise(host.name, at!);
      const wait = patience.next(failed.type);
      if (wait === undefined || failed.cancelled || !this.account.goes(host.name)) {
        const once = at!.scope !== 'host' && at!.on === 'one';
        return this.account.fail(host.name, at, failed, { ...this.#input, alone: once });
      }
      await this.#wait(host, at!, wait, failed);
      if (!this.account.goes(host.name)) this.account.mark(host.name, at!, 'failed');
      rest = [at!, ...later];
    }
  }

  #isHeld({ name, site }: HostSpec, stages: readonly PlacedStage[]): boolean {
    if (!this.account.goes(name)) return false;
    return this.paused || (this.#windows.isShut(site) && stages.some(({ kind }) => kind === 'change'));
  }

  async #released({ name, site }: HostSpec): Promise<void> {
    const isOut = () => !this.account.goes(name);
    if (this.paused) await condition(() => !this.paused || isOut());
    else await this.#windows.opened(site, () => this.paused || isOut());
  }

  async #attempt(host: HostSpec, stages: readonly PlacedStage[]): Promise<Failed | undefined> {
    const [first, ...others] = stages as readonly [PlacedStage, ...PlacedStage[]];
    const last = others.at(-1);
    const { operation } = first;
    const call = last
      ? { host, stages, type: 'host.converge', id: `${operation}…${last.operation}`, does: titles(stages) }
      : { host, stages, type: operation, does: first.title };
    try {
      this.account.finish(host.name, stages, await converged(this.#input, this.account, call));
      return undefined;
    } catch (error) {
      return failureOf(error, `${operation} on ${host.name}`);
    }
  }

  async #wait(host: HostSpec, { title }: PlacedStage, milliseconds: number, { type }: Failed): Promise<void> {
    const summary = `${host.name}: ${title}: again after ${type}`;
    await condition(() => !this.account.goes(host.name), milliseconds, { summary });
  }

  #eligible(stage: PlacedStage): readonly HostSpec[] {
    return this.#input.hosts.filter((host) => stage.hosts.includes(host.name));
  }

  get #changed(): boolean {
    return this.#input.changed || this.account.changed > 0;
  }

  /** Proof that costs more than a look is asked for only where something has changed. */
  #isDue(stage: PlacedStage): boolean {
    if (stage.afterChange !== true || this.#changed) return true;
    for (const host of this.#eligible(stage)) this.account.mark(host.name, stage, 'skipped');
    return false;
  }

  #isNeeded(host: HostSpec, stage: PlacedStage): boolean {
    if (!this.#isDue(stage)) return false;
    if (!this.account.isSettled(host.name, stage, this.#changed)) return true;
    if (this.account.stateOf(host.name, stage) !== 'done') this.account.mark(host.name, stage, 'unchanged');
    return false;
  }

  /** Acts on all at once and waits for all. */
  async #each(hosts: readonly HostSpec[], act: (host: HostSpec) => Promise<void>): Promise<void> {
    const going = hosts.filter((host) => this.account.goes(host.name));
    await Promise.all(going.map((host) => this.#noting(act(host))));
  }

  /** Any other rejection is a fault of this program: then the task fails, and goes on once it is mended. */
  async #noting(act: Promise<void>): Promise<void> {
    try {
      await act;
    } catch (error) {
      if (!isCancellation(error)) throw error;
      this.account.stopped ??= 'cancelled';
    }
  }
}

const titles = (stages: readonly PlacedStage[]) => stages.map((stage) => stage.title).join(', ');
