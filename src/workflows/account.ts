import type { Result } from '../activities/contract.ts';
import type { Facts, OnFailure, Plan, Stage } from '../plan/plan.ts';
import { type Failed, problemOf } from './activity.ts';
import { Attendance, PARKING, STOPPING } from './attendance.ts';
import type { Ledger, StepState } from './contract.ts';
import { fromPlaces, PerStep, toPlaces } from './per-step.ts';

interface FailingPolicy {
  readonly onFailure: OnFailure;
  /** A verification goes on to the end, to say everything that is wrong. */
  readonly purpose?: Plan['purpose'];
  /** Nobody can go on without it. */
  readonly alone?: boolean;
}

/** What a rollout, or one site of it, has come to: what began and changed, what was so already, who is parked, what failed. */
export class Account extends Attendance {
  facts: Facts;
  /** What was known before. */
  readonly known: Facts;
  readonly #settled: PerStep<true>;
  readonly #before = new PerStep<true>(); // what the first survey said yes to
  #isFirst = true;
  readonly #touched: PerStep<true>;
  readonly #steps: PerStep<StepState>;
  readonly #generations: PerStep<number>;
  readonly #dirty: Set<string>;

  constructor(ledger: Ledger, dirty: readonly string[] = []) {
    super(ledger);
    this.facts = ledger.facts;
    this.known = ledger.facts;
    this.#settled = new PerStep(fromPlaces(ledger.settled));
    this.#touched = new PerStep(fromPlaces(ledger.touched));
    this.#steps = new PerStep(ledger.steps);
    this.#generations = new PerStep(ledger.generations);
    this.#dirty = new Set(dirty);
  }

  /** Nothing is to be done. A survey's yes holds until something on that host changes; a check's, until something does anywhere. */
  isSettled(host: string, stage: Stage, changed: boolean): boolean {
    const state = this.stateOf(host, stage);
    if (state === 'done' || state === 'unchanged') return true;
    return this.saidYes(host, stage) && !this.#dirty.has(host) && !(stage.kind === 'check' && changed);
  }

  saidYes(host: string, { id }: Stage): boolean {
    return this.#settled.get(id, host) === true;
  }

  /** Before this rollout had changed anything. */
  hadSaidYes(host: string, { id }: Stage): boolean {
    return this.#before.get(id, host) === true;
  }

  stateOf(host: string, { id }: Stage): StepState | undefined {
    return this.#steps.get(id, host);
  }

  /** Hosts on which something may have changed since the survey. */
  get dirty(): ReadonlySet<string> {
    return this.#dirty;
  }

  /** How many steps have changed something. */
  get changed(): number {
    return [...this.#steps].filter(([, , state]) => state === 'done').length;
  }

  wasTouched(host: string, { id }: Pick<Stage, 'id'>): boolean {
    return this.#touched.get(id, host) === true;
  }

  generationOf(host: string, { id }: Pick<Stage, 'id'>): number {
    return this.#generations.get(id, host) ?? 0;
  }

  settle(host: string, { id }: Stage): void {
    this.#settled.set(id, host, true);
  }

  mark(host: string, { id }: Stage, state: StepState): void {
    this.#steps.set(id, host, state);
  }

  /** On the undo list before they run: a step that fails half-way, or whose worker dies, must be undone too. */
  begin(host: string, stages: readonly Stage[]): void {
    for (const stage of stages) {
      this.mark(host, stage, 'provisioning');
      if (stage.kind === 'change') this.#touched.set(stage.id, host, true);
    }
  }

  finish(host: string, stages: readonly Stage[], results: readonly Result[]): void {
    for (const [n, { changed, facts, left = [] }] of results.entries()) {
      const stage = stages[n]!;
      this.left.push(...left.map((what) => `${host}: ${what}`));
      this.mark(host, stage, changed ? 'done' : 'unchanged');
      if (changed) this.#dirty.add(host);
      else this.#touched.delete(stage.id, host); // it was so before this rollout: not ours to undo
      this.publish(host, facts);
    }
  }

  /** They have not begun after all. */
  takeOff(host: string, stages: readonly Stage[]): void {
    for (const stage of stages) {
      this.mark(host, stage, 'queued');
      this.#touched.delete(stage.id, host);
    }
  }

  /** What ran for this step has ended for good: the next attempt is a new one. */
  raise(host: string, stage: Pick<Stage, 'id'>): void {
    this.#generations.set(stage.id, host, this.generationOf(host, stage) + 1);
  }

  /** A failure for good. Parks the host where that is the rule and the others can go on (not `alone`); otherwise stops all. */
  fail(host: string, stage: Stage | undefined, failed: Failed, { onFailure, purpose, alone }: FailingPolicy): void {
    this.#dirty.add(host);
    this.publish(host, failed.facts);
    const { cancelled, type, message } = failed;
    if (cancelled) {
      this.stopped ??= 'cancelled';
      if (stage) this.mark(host, stage, 'failed');
      return;
    }
    const isOut = this.parked.has(host); // left out by somebody while this ran
    const may = alone !== true && !STOPPING.has(type);
    const parks = may && (isOut || PARKING.has(type) || (onFailure === 'continue' && purpose !== 'verify'));
    if (parks) this.parked.add(host);
    else if (purpose !== 'verify') this.stopped ??= message;
    if (stage) this.mark(host, stage, parks ? 'parked' : 'failed');
    this.problems.push(problemOf(host, stage, failed));
  }

  /** What has not begun on parked hosts waits with them. */
  parkRest(stages: readonly Stage[]): void {
    for (const stage of stages)
      for (const host of stage.hosts) {
        const state = this.stateOf(host, stage) ?? 'queued';
        if (this.parked.has(host) && state === 'queued')
          this.mark(host, stage, this.skipped.has(host) ? 'skipped' : 'parked');
      }
  }

  /** A verdict that depended on other hosts holds only as long as they say what they said. */
  doubt(stages: readonly Stage[], known: Facts): void {
    const isNews = (fact: string) =>
      Object.entries(this.facts[fact] ?? {}).some(([host, value]) => known[fact]?.[host] !== value);
    for (const stage of stages) if (stage.needs.some(isNews)) this.#settled.delete(stage.id);
  }

  publish(host: string, facts: Readonly<Record<string, string>> = {}): void {
    for (const [fact, value] of Object.entries(facts)) this.#learn(fact, { [host]: value });
  }

  /**
   * What failed is to be tried again, and parked hosts with it; what succeeded stays done. All of it but what somebody
   * left out, or just these hosts. Says whether a host takes part again.
   */
  forgive(hosts?: ReadonlySet<string>): boolean {
    const isMeant = (host: string) => hosts?.has(host) ?? !this.skipped.has(host);
    const back = this.takeBack(isMeant);
    const open: readonly StepState[] = ['failed', 'parked', 'provisioning'];
    for (const [stage, host, state] of this.#steps)
      if (isMeant(host) && (open.includes(state) || (state === 'skipped' && back.has(host))))
        this.#steps.delete(stage, host);
    return back.size > 0;
  }

  /**
   * All is asked anew, for hosts that take part again: what the others have done may depend on them. What is so stays so,
   * and its receipts still say whose it is. Of a step that has not ended the job may be running still: it keeps its name.
   */
  beginAgain(): void {
    this.#isFirst = false;
    const ended: readonly StepState[] = ['done', 'unchanged', 'undone'];
    for (const [stage, host, state] of this.#steps) {
      this.#steps.delete(stage, host);
      if (ended.includes(state)) this.raise(host, { id: stage });
    }
    for (const [stage] of this.#settled) this.#settled.delete(stage);
  }

  /** Takes over what a site has come to. */
  add({ facts, settled, touched, parked, steps, generations, problems, stopped, left = [] }: Ledger): void {
    this.#settled.add(fromPlaces(settled));
    if (this.#isFirst) this.#before.add(fromPlaces(settled));
    this.#touched.add(fromPlaces(touched));
    for (const host of Object.values(touched).flat()) this.#dirty.add(host);
    this.#steps.add(steps);
    this.#generations.add(generations);
    for (const host of parked) this.parked.add(host);
    for (const [fact, table] of Object.entries(facts)) this.#learn(fact, table);
    this.problems.push(...problems);
    this.left.push(...left);
    this.stopped ??= stopped;
  }

  toJSON(): Ledger {
    const { facts, stopped, left } = this;
    return {
      facts,
      settled: toPlaces(this.#settled),
      touched: toPlaces(this.#touched),
      parked: [...this.parked],
      steps: this.#steps.toRecord(),
      generations: this.#generations.toRecord(),
      problems: this.problems,
      ...(stopped !== undefined && { stopped }),
      ...(left.length > 0 && { left }),
    };
  }

  #learn(fact: string, table: Readonly<Record<string, string>>): void {
    this.facts = { ...this.facts, [fact]: { ...this.facts[fact], ...table } };
  }
}
