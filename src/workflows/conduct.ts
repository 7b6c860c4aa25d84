import { condition, getExternalWorkflowHandle, isCancellation, setHandler } from '@temporalio/workflow';
import type { Account } from './account.ts';
import {
  haltSignal,
  type Note,
  type Outcome,
  pauseSignal,
  planQuery,
  progressQuery,
  type RolloutInput,
  type RolloutState,
  reportSignal,
  resumeSignal,
  rollbackSignal,
  rolloutChangedSignal,
  rolloutEndedSignal,
} from './contract.ts';
import type { Hosts } from './hosts.ts';
import { detail, siteRows, upsert } from './report.ts';
import type { Sites } from './sites.ts';

/** How a rollout is led from outside, and what it tells of itself. */
export class Conduct {
  readonly #input: RolloutInput;
  readonly #account: Account;
  readonly #sites: Sites;
  #telling: Promise<void> = Promise.resolve();
  #state: RolloutState = 'surveying';
  #doing = '';
  #pausedBy: Note | undefined;
  /** What somebody wants of a rollout that has stopped. */
  #wish: 'again' | 'undo' | undefined;
  /** Runs what spans the cluster, while it does. */
  #spanning: Hosts | undefined;

  constructor(input: RolloutInput, account: Account, sites: Sites) {
    this.#input = input;
    this.#account = account;
    this.#sites = sites;
    sites.onChange = () => this.#describe();
    setHandler(pauseSignal, (note) => this.#pause(note ?? {}), {
      description: 'Holds back new steps; what runs finishes. {"by": "you", "reason": "lunch"}',
    });
    setHandler(resumeSignal, (note) => this.#resume(note ?? {}), {
      description: 'Goes on. After a failure: tries again what failed. {"by": "you"}',
    });
    setHandler(rollbackSignal, (note) => this.#rollback(note ?? {}), {
      description: 'Ends the rollout and takes back what it changed. {"by": "you", "reason": "…"}',
    });
    setHandler(reportSignal, () => this.#tell(), { description: 'Sent by the cluster workflow.' });
    setHandler(progressQuery, () => this.#progress(), { description: 'How far it is, by step.' });
    setHandler(planQuery, () => input.plan, { description: 'The plan that it carries out.' });
  }

  get paused(): boolean {
    return this.#pausedBy !== undefined;
  }

  /** Paused on a failure, until somebody decides. */
  get isStuck(): boolean {
    return this.#state === 'paused' && this.#account.stopped !== undefined;
  }

  /** Whether somebody has asked for the end of it. */
  get isRolledBack(): boolean {
    return this.#wish === 'undo';
  }

  /** Whether the rollout, having stopped, is to be taken back. */
  get wantsUndo(): boolean {
    if (this.#account.stopped === 'cancelled') return false;
    return this.isRolledBack || this.#input.plan.onFailure === 'rollback';
  }

  /** Says what the rollout has come to: to the Web UI, and to the cluster workflow. */
  become(state: RolloutState, doing: string): void {
    this.#doing = doing;
    const isNews = state !== this.#state;
    this.#state = state;
    if (isNews || state === 'surveying') {
      upsert({ state, parked: this.#account.parked.size });
      this.#tell();
    }
    this.#describe();
  }

  /** Returns when nobody holds the rollout back any more, or when it has stopped. */
  async unpaused(): Promise<void> {
    if (!this.paused) return;
    this.become('paused', `paused${said(this.#pausedBy!)}`);
    await this.#until(() => !this.paused || this.#account.stopped !== undefined);
  }

  /** Runs what spans the cluster. */
  async span(hosts: Hosts): Promise<void> {
    this.#spanning = hosts;
    await hosts.run();
    this.#spanning = undefined;
    this.#account.add(hosts.account.toJSON());
    this.#sites.weigh();
  }

  /** After a failure for good: whether it is to be tried again. Where the policy is to pause, somebody decides, and that may take days. */
  async triesAgain(): Promise<boolean> {
    const account = this.#account;
    if (account.stopped === 'cancelled' || this.#wish === 'undo' || this.#input.plan.onFailure !== 'pause')
      return false;
    // A wish may be there already: of somebody who saw the failure before the last step had finished.
    this.become('paused', `stopped: ${account.stopped}`);
    await this.#until(() => this.#wish !== undefined);
    if (account.stopped === 'cancelled' || this.#wish !== 'again') return false;
    this.#wish = undefined;
    account.forgive();
    return true;
  }

  /** Told before the workflow ends, or nobody could. */
  async end(outcome: Outcome): Promise<void> {
    this.#state = outcome.state;
    this.#doing = outcome.state;
    upsert({ state: outcome.state, parked: outcome.parked.length });
    this.#describe();
    const { reportTo, revision } = this.#input;
    if (reportTo === undefined) return;
    await this.#telling;
    await getExternalWorkflowHandle(reportTo)
      .signal(rolloutEndedSignal, { revision, outcome })
      .catch(() => {}); // as in #tell
  }

  #pause(note: Note): void {
    this.#pausedBy = note;
    this.#sites.paused = true;
    if (this.#spanning) this.#spanning.paused = true;
    this.#sites.tell(pauseSignal, note);
    if (this.#state === 'rolling') this.become('paused', `paused${said(note)}`);
  }

  #resume(note: Note): void {
    this.#pausedBy = undefined;
    this.#sites.paused = false;
    if (this.#spanning) this.#spanning.paused = false;
    this.#sites.tell(resumeSignal, note);
    if (this.#account.stopped !== undefined) this.#wish = 'again';
    else if (this.#state === 'paused') this.become('rolling', this.#doing);
  }

  #rollback(note: Note): void {
    if (this.#state !== 'surveying' && this.#state !== 'rolling' && this.#state !== 'paused') return;
    this.#wish = 'undo';
    this.#account.stopped ??= `rolled back${said(note)}`;
    if (this.#spanning) this.#spanning.account.halted = true;
    this.#sites.tell(haltSignal);
  }

  /** Rejections of the wait itself are cancellations, and noted as any other reason to stop. */
  async #until(holds: () => boolean): Promise<void> {
    try {
      await condition(holds);
    } catch (error) {
      if (!isCancellation(error)) throw error;
      this.#account.stopped = 'cancelled';
    }
  }

  /** One after another: two signals under way at once may arrive in either order. */
  #tell(): void {
    const { reportTo, revision } = this.#input;
    if (reportTo === undefined) return;
    const news = { revision, state: this.#state, stuck: this.isStuck };
    const tell = () => getExternalWorkflowHandle(reportTo).signal(rolloutChangedSignal, news);
    this.#telling = this.#telling.then(tell).catch(() => {}); // the cluster workflow was ended: there is nobody to tell
  }

  #progress() {
    const running = this.#spanning?.account.toJSON();
    const { parked, problems, steps: before } = this.#account.toJSON();
    const steps = running ? { ...before, ...running.steps } : before;
    return {
      state: this.#state,
      doing: this.#doing,
      stuck: this.isStuck,
      steps,
      changed: Object.values(steps).flatMap((states) => Object.values(states).filter((state) => state === 'done'))
        .length,
      parked: [...new Set([...parked, ...(running?.parked ?? [])])],
      problems: [...problems, ...(running?.problems ?? [])],
      children: this.#sites.running,
    };
  }

  #describe(): void {
    const { plan, revision } = this.#input;
    const sites = Map.groupBy(plan.hosts, (host) => host.site);
    const names = new Map([...sites].map(([site, hosts]) => [site, hosts.map((host) => host.name)]));
    const problems = this.#account.problems.slice(0, 10).map(({ message }) => `- ${message.slice(0, 500)}`);
    const todo = 'What to do: mend the cause and send `resume`, or send `rollback`, or cancel this workflow.';
    const lines = [
      this.#doing === this.#state ? this.#state : `${this.#state}: ${this.#doing}`,
      `${this.#account.changed} steps changed something`,
      ...problems,
      ...(this.isStuck ? ['', todo] : []),
    ];
    detail(`${plan.cluster}, revision ${revision}`, lines, siteRows(names, this.#account.parked, this.#sites.running));
  }
}

const said = ({ by, reason }: Note) =>
  `${by === undefined ? '' : ` by ${by}`}${reason === undefined ? '' : `: ${reason}`}`;
