import { CancellationScope, condition, isCancellation, setHandler } from '@temporalio/workflow';
import type { Account } from './account.ts';
import type { Bulletin } from './bulletin.ts';
import { planQuery, progressQuery, type RolloutInput, reportSignal } from './contract.ts';
import type { Hosts } from './hosts.ts';
import type { Sites } from './sites.ts';
import { said, Wishes } from './wishes.ts';

/** What is to become of a rollout that has stopped: its end, the same once more, or all of it for hosts that take part again. */
type Decision = 'end' | 'again' | 'anew';

/** How a rollout is led: where it waits, what for, and what is made of people's wishes. */
export class Conduct {
  readonly #input: RolloutInput;
  readonly #account: Account;
  readonly #sites: Sites;
  readonly #bulletin: Bulletin;
  readonly #scope = new CancellationScope();
  readonly #wishes: Wishes;

  constructor(input: RolloutInput, account: Account, sites: Sites, bulletin: Bulletin) {
    this.#input = input;
    this.#account = account;
    this.#sites = sites;
    this.#bulletin = bulletin;
    this.#wishes = new Wishes({ input, account, sites, bulletin, scope: this.#scope });
    setHandler(reportSignal, () => bulletin.tell(), { description: 'Sent by the cluster workflow.' });
    setHandler(progressQuery, () => bulletin.progress(), { description: 'How far it is, by step.' });
    setHandler(planQuery, () => input.plan, { description: 'The plan that it carries out.' });
  }

  /** How many hosts of a site go at a time, if somebody has said so. */
  get batch(): number | undefined {
    return this.#wishes.batch;
  }

  /** Whether somebody has asked for the end of it. */
  get isEnded(): boolean {
    return this.#wishes.whole === 'undo' || this.#wishes.whole === 'end';
  }

  /** Whether the rollout, having stopped, is to be taken back. */
  get wantsUndo(): boolean {
    if (this.#wishes.whole !== undefined && this.isEnded) return this.#wishes.whole === 'undo';
    return this.#account.stopped !== 'cancelled' && this.#input.plan.onFailure === 'rollback';
  }

  /** Runs what may be ended by a control, as by a cancellation of the workflow: both reach what runs on the hosts. */
  cancellable<Result>(act: () => Promise<Result>): Promise<Result> {
    return this.#scope.run(act);
  }

  /** Returns when nobody holds the rollout back any more, or when it has stopped. */
  async unpaused(): Promise<void> {
    const { pausedBy } = this.#wishes;
    if (!pausedBy) return;
    this.#bulletin.become('paused', `paused${said(pausedBy)}`, { for: 'resume' });
    await this.#until(() => !this.#wishes.pausedBy || this.#account.stopped !== undefined);
  }

  /** Returns when somebody has agreed, where the policy wants that at this point. If nobody has in time, the rollout stops. */
  async approved(point: 'start' | 'rest'): Promise<void> {
    const wishes = this.#wishes;
    const { approval: own, plan } = this.#input;
    const approval = own?.before === point ? own : plan.policy?.approval;
    if (approval?.before !== point || wishes.approved || this.#account.stopped !== undefined) return;
    const until = new Date(Date.now() + approval.expires).toISOString();
    wishes.asks = true;
    const what = point === 'start' ? 'anything is changed' : 'the others follow the first wave';
    this.#bulletin.become('paused', `waits for an approval before ${what}, until ${until}`, { for: 'approval', until });
    await this.#until(() => wishes.approved || this.#account.stopped !== undefined, approval.expires);
    wishes.asks = false;
    const { approved } = wishes;
    // What the plan asks for later is another question.
    if (approval === own) wishes.approved = false;
    if (approved || this.#account.stopped !== undefined) return;
    wishes.whole = this.wantsUndo ? 'undo' : 'end';
    this.#account.stopped = `nobody has approved it until ${until}`;
    this.#bulletin.note(this.#account.stopped);
  }

  /** Lets what a wave has changed show what it does, before the next one goes. */
  async soak(milliseconds: number): Promise<void> {
    const until = new Date(Date.now() + milliseconds).toISOString();
    this.#bulletin.become('rolling', `looks on until ${until} before the next wave`, { for: 'soak', until });
    await this.#until(() => this.#account.stopped !== undefined, milliseconds);
  }

  /** Runs what spans the cluster. */
  async span(hosts: Hosts): Promise<void> {
    this.#bulletin.spanning = hosts;
    await hosts.run();
    this.#bulletin.spanning = undefined;
    this.#account.add(hosts.account.toJSON());
    this.#sites.weigh();
  }

  /** Hosts whose changes somebody wants taken back; told once. */
  takesBack(): ReadonlySet<string> {
    const hosts = new Set(this.#wishes.back);
    this.#wishes.back.clear();
    return hosts;
  }

  /** Whether hosts that had been left out take part again, since somebody wants it so; told once. */
  takesAlong(): boolean {
    const { again } = this.#wishes;
    if (again.size === 0 || this.#account.stopped !== undefined) return false;
    const isBack = this.#account.forgive(new Set(again));
    again.clear();
    return isBack;
  }

  /**
   * After a failure for good: what is to become of it. Where the policy is to pause, somebody decides, and that may take
   * days. `takeBack` is for hosts that are given up meanwhile.
   */
  async decision(takeBack: () => Promise<void>): Promise<Decision> {
    const wishes = this.#wishes;
    const account = this.#account;
    if (account.stopped === 'cancelled' || this.isEnded || this.#input.plan.onFailure !== 'pause') return 'end';
    for (let anew = false; ; ) {
      // A wish may be there already: of somebody who saw the failure before the last step had finished.
      const isDecided = () => wishes.whole !== undefined || wishes.isNews;
      if (!this.#input.notes || !isDecided())
        this.#bulletin.become('paused', `stopped: ${account.stopped}`, { for: 'decision' });
      await this.#until(isDecided);
      while (!this.isEnded && wishes.back.size > 0) await takeBack();
      if (account.stopped === 'cancelled' || this.isEnded) return 'end';
      anew = account.forgive(wishes.whole === 'again' ? undefined : new Set(wishes.again)) || anew;
      wishes.whole = undefined;
      wishes.isNews = false;
      wishes.again.clear();
      account.stopped = account.failing[0]?.message ?? this.#sites.overBudget;
      if (account.stopped === undefined) return anew ? 'anew' : 'again';
    }
  }

  /** Rejections of the wait itself are cancellations, and noted as any other reason to stop. */
  async #until(holds: () => boolean, milliseconds?: number): Promise<void> {
    try {
      await (milliseconds === undefined ? condition(holds) : condition(holds, milliseconds));
    } catch (error) {
      if (!isCancellation(error)) throw error;
      this.#account.stopped = 'cancelled';
    }
  }
}
