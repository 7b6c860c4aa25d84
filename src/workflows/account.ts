import type { Result } from '../activities/contract.ts';
import { keyMoved, waysIn } from '../plan/access-key.ts';
import { type Facts, type OnFailure, type Plan, type Stage } from '../plan/plan.ts';
import { type Failed, problemOf } from './activity.ts';
import { Attendance, PARKING, STOPPING } from './attendance.ts';
import { Book } from './book.ts';
import type { Ledger, StepState } from './contract.ts';
import { fromPlaces, PerStep } from './per-step.ts';

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
  readonly #book: Book;
  readonly #before = new PerStep<true>(); // what the first survey said yes to
  #isFirst = true;
  readonly #dirty: Set<string>;

  constructor(ledger: Ledger, dirty: readonly string[] = []) {
    super(ledger);
    this.facts = ledger.facts;
    this.known = ledger.facts;
    this.#book = new Book(ledger);
    this.#dirty = new Set(dirty);
  }

  /** Nothing is to be done. A survey's yes holds until something on that host changes; a check's, until something does anywhere. */
  isSettled(host: string, stage: Stage, changed: boolean): boolean {
    const state = this.stateOf(host, stage);
    if (state === 'done' || state === 'unchanged') return true;
    return this.saidYes(host, stage) && !this.#dirty.has(host) && !(stage.kind === 'check' && changed);
  }

  saidYes(host: string, { id }: Stage): boolean {
    return this.#book.settled.get(id, host) === true;
  }

  /** Before this rollout had changed anything. */
  hadSaidYes(host: string, { id }: Stage): boolean {
    return this.#before.get(id, host) === true;
  }

  stateOf(host: string, { id }: Stage): StepState | undefined {
    return this.#book.states.get(id, host);
  }

  /** Hosts on which something may have changed since the survey. */
  get dirty(): ReadonlySet<string> {
    return this.#dirty;
  }

  /** How many steps have changed something. */
  get changed(): number {
    return this.#book.changed;
  }

  wasTouched(host: string, { id }: Pick<Stage, 'id'>): boolean {
    return this.#book.touched.get(id, host) === true;
  }

  generationOf(host: string, { id }: Pick<Stage, 'id'>): number {
    return this.#book.generations.get(id, host) ?? 0;
  }

  settle(host: string, { id }: Stage): void {
    this.#book.settled.set(id, host, true);
  }

  mark(host: string, { id }: Stage, state: StepState): void {
    this.#book.states.set(id, host, state);
  }

  /** On the undo list before they run: a step that fails half-way, or whose worker dies, must be undone too. */
  begin(host: string, stages: readonly Stage[]): void {
    for (const stage of stages) {
      this.mark(host, stage, 'provisioning');
      if (stage.kind === 'change') this.#book.touched.set(stage.id, host, true);
    }
  }

  finish(host: string, stages: readonly Stage[], results: readonly Result[]): void {
    for (const [n, { changed, facts, left = [] }] of results.entries()) {
      const stage = stages[n]!;
      this.left.push(...left.map((what) => `${host}: ${what}`));
      this.mark(host, stage, changed ? 'done' : 'unchanged');
      if (changed) this.#dirty.add(host);
      else this.#book.touched.delete(stage.id, host); // it was so before this rollout: not ours to undo
      this.publish(host, facts);
    }
  }

  /** They have not begun after all. */
  takeOff(host: string, stages: readonly Stage[]): void {
    for (const stage of stages) {
      this.mark(host, stage, 'queued');
      this.#book.touched.delete(stage.id, host);
    }
  }

  /** What ran for this step has ended for good: the next attempt is a new one. */
  raise(host: string, stage: Pick<Stage, 'id'>): void {
    this.#book.generations.set(stage.id, host, this.generationOf(host, stage) + 1);
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
    for (const stage of stages) if (stage.needs.some(isNews)) this.#book.settled.delete(stage.id);
  }

  publish(host: string, facts: Readonly<Record<string, string>> = {}): void {
    for (const [fact, now] of Object.entries(keyMoved(this.facts, host, facts))) this.#learn(fact, { [host]: now });
  }

  /**
   * What failed is to be tried again, and parked hosts with it; what succeeded stays done. All of it but what somebody
   * left out, or just these hosts. Says whether a host takes part again.
   */
  forgive(hosts?: ReadonlySet<string>): boolean {
    const isMeant = (host: string) => hosts?.has(host) ?? !this.skipped.has(host);
    const back = this.takeBack(isMeant);
    const open: readonly StepState[] = ['failed', 'parked', 'provisioning'];
    for (const [stage, host, state] of this.#book.states)
      if (isMeant(host) && (open.includes(state) || (state === 'skipped' && back.has(host))))
        this.#book.states.delete(stage, host);
    return back.size > 0;
  }

  /**
   * All is asked anew, for hosts that take part again: what the others have done may depend on them. What is so stays so,
   * and its receipts still say whose it is. Of a step that has not ended the job may be running still: it keeps its name.
   */
  beginAgain(): void {
    this.#isFirst = false;
    const ended: readonly StepState[] = ['done', 'unchanged', 'undone'];
    for (const [stage, host, state] of this.#book.states) {
      this.#book.states.delete(stage, host);
      if (ended.includes(state)) this.raise(host, { id: stage });
    }
    for (const [stage] of this.#book.settled) this.#book.settled.delete(stage);
  }

  /** Takes over what a site has come to. */
  add(ledger: Partial<Ledger>): void {
    const { facts = {}, settled = {}, touched = {}, parked = [], problems = [], stopped, left = [] } = ledger;
    this.#book.add(ledger);
    if (this.#isFirst) this.#before.add(fromPlaces(settled));
    for (const host of Object.values(touched).flat()) this.#dirty.add(host);
    for (const host of parked) this.parked.add(host);
    for (const [fact, table] of Object.entries(facts)) this.#learn(fact, table);
    this.problems.push(...problems);
    this.left.push(...left);
    this.stopped ??= stopped;
  }

  /** What a site begins with. Of `facts` it has told how much the site needs to know; of every host it knows the way in. */
  part(hosts: ReadonlySet<string>, stages: readonly Stage[], facts: Facts): Ledger {
    return {
      ...this.#book.part(hosts, stages),
      facts: { ...facts, ...waysIn([...hosts], this.facts) },
      parked: [...this.parked].filter((host) => hosts.has(host)),
      problems: [],
    };
  }

  toJSON(): Ledger {
    const { facts, stopped, left, problems } = this;
    return {
      facts,
      ...this.#book.toJSON(),
      parked: [...this.parked],
      problems,
      ...(stopped !== undefined && { stopped }),
      ...(left.length > 0 && { left }),
    };
  }

  #learn(fact: string, table: Readonly<Record<string, string>>): void {
    this.facts = { ...this.facts, [fact]: { ...this.facts[fact], ...table } };
  }
}
