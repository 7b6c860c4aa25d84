import { getExternalWorkflowHandle } from '@temporalio/workflow';
import type { Account } from './account.ts';
import {
  noteSignal,
  type Outcome,
  type Progress,
  type RolloutInput,
  type RolloutState,
  rolloutChangedSignal,
  rolloutEndedSignal,
} from './contract.ts';
import type { Hosts } from './hosts.ts';
import type { ClusterEvent } from './records.ts';
import { detail, siteRows, upsert } from './report.ts';
import type { Sites } from './sites.ts';

/** What a rollout tells of itself: to the Web UI, to who asks, and to the cluster workflow. */
export class Bulletin {
  readonly #input: RolloutInput;
  readonly #account: Account;
  readonly #sites: Sites;
  #telling: Promise<void> = Promise.resolve();
  #state: RolloutState = 'surveying';
  #doing = '';
  #waits: Progress['waits'];
  readonly #events: ClusterEvent[] = [];
  /** Runs what spans the cluster, while it does. */
  spanning: Hosts | undefined;
  /** What is done is brought to its end, and nobody can change that any more. */
  isEnding = false;
  #toldStuck = false;
  /** Where there are several. */
  wave: Progress['wave'];

  constructor(input: RolloutInput, account: Account, sites: Sites) {
    this.#input = input;
    this.#account = account;
    this.#sites = sites;
    sites.onChange = () => this.#describe();
  }

  get state(): RolloutState {
    return this.#state;
  }

  get doing(): string {
    return this.#doing;
  }

  /** Paused on a failure, until somebody decides. */
  get isStuck(): boolean {
    return this.#state === 'paused' && this.#account.stopped !== undefined;
  }

  /** Says what the rollout has come to. */
  become(state: RolloutState, doing: string, waits?: Progress['waits']): void {
    this.#doing = doing;
    this.#waits = waits;
    const isNews = state !== this.#state;
    this.#state = state;
    // A rollout that was paused by hand may have become stuck since.
    const isStuckNow = this.#input.notes === true && this.isStuck !== this.#toldStuck;
    if (isNews || state === 'surveying' || isStuckNow) {
      upsert({ state, parked: this.#account.parked.size });
      this.tell();
    }
    this.#describe();
  }

  /** What somebody has done, or happened: for the page of the Web UI, and the events of the cluster. */
  note(what: string, by?: string): void {
    const event = { at: new Date().toISOString(), what, ...(by !== undefined && { by }) };
    this.#events.push(event);
    this.#describe();
    const { notes, revision } = this.#input;
    if (notes) this.#send(noteSignal.name, { revision, ...event });
  }

  /** Told before the workflow ends, or nobody could. */
  async end(outcome: Outcome): Promise<void> {
    this.#state = outcome.state;
    this.#doing = outcome.state;
    this.#waits = undefined;
    upsert({ state: outcome.state, parked: outcome.parked.length });
    this.#describe();
    const { reportTo, revision } = this.#input;
    if (reportTo === undefined) return;
    await this.#telling;
    await getExternalWorkflowHandle(reportTo)
      .signal(rolloutEndedSignal, { revision, outcome })
      .catch(() => {}); // as in #send
  }

  /** The cluster workflow hears of the state. */
  tell(): void {
    this.#toldStuck = this.isStuck;
    const news = { revision: this.#input.revision, state: this.#state, stuck: this.isStuck };
    this.#send(rolloutChangedSignal.name, news);
  }

  /** One after another: two signals under way at once may arrive in either order. */
  #send(signal: string, news: object): void {
    const { reportTo } = this.#input;
    if (reportTo === undefined) return;
    const send = () => getExternalWorkflowHandle(reportTo).signal(signal, news);
    this.#telling = this.#telling.then(send).catch(() => {}); // the cluster workflow was ended: there is nobody to tell
  }

  progress(): Progress {
    const running = this.spanning?.account.toJSON();
    const { parked, problems, steps: before } = this.#account.toJSON();
    const steps = running ? { ...before, ...running.steps } : before;
    const waits = this.#waits ?? this.spanning?.waits;
    return {
      state: this.#state,
      doing: this.#doing,
      stuck: this.isStuck,
      ...(waits && { waits }),
      ...(this.wave && { wave: this.wave }),
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
    const events = this.#events
      .slice(-10)
      .toReversed()
      .map(({ at, what, by }) => `- ${at} ${what.slice(0, 300)}${by === undefined ? '' : ` (${by})`}`);
    const lines = [
      this.#doing === this.#state ? this.#state : `${this.#state}: ${this.#doing}`,
      `${this.#account.changed} steps changed something`,
      ...problems,
      ...(this.isStuck ? ['', TODO] : []),
      ...(events.length > 0 ? ['', '#### Events', '', ...events] : []),
    ];
    detail(`${plan.cluster}, revision ${revision}`, lines, siteRows(names, this.#account.parked, this.#sites.running));
  }
}

const TODO =
  'What to do: mend the cause and send `resume`, or `skip` with `{"host": "…"}`, or `rollback`; or cancel this workflow.';
