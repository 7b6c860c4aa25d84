import {
  type ChildWorkflowHandle,
  isCancellation,
  rootCause,
  type SignalDefinition,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { Stage } from '../plan/plan.ts';
import type { Account } from './account.ts';
import { clipped } from './activity.ts';
import {
  haltSignal,
  type Ledger,
  leaveOutSignal,
  type PlacedStage,
  pauseSignal,
  type RolloutInput,
  resumeSignal,
  type SiteInput,
  siteId,
} from './contract.ts';
import { Lending } from './lending.ts';
import { attributes } from './report.ts';
import type { site } from './site.ts';
import { inputFor } from './site-input.ts';

/** A child per site bounds every history, and keeps a slow site from holding up the others. */
export class Sites {
  readonly #rollout: RolloutInput;
  readonly #account: Account;
  readonly #stages: ReadonlyMap<string, PlacedStage>;
  readonly #lending: Lending;
  paused = false;
  /** The fences of steps count from here. */
  #since = workflowInfo().startTime;
  /** Called when a site begins or ends. */
  onChange: () => void = () => {};
  #telling: Promise<unknown> = Promise.resolve();
  readonly #running = new Map<string, ChildWorkflowHandle<typeof site>>();

  constructor(rollout: RolloutInput, account: Account) {
    this.#rollout = rollout;
    this.#account = account;
    this.#stages = new Map(rollout.plan.stages.map((stage, place) => [stage.id, { ...stage, place }]));
    this.#lending = new Lending(this.#stages.values());
  }

  /** From now on steps have higher fences than any before: they may go through the plan once more. */
  renew(): void {
    this.#since = new Date();
  }

  /** Workflow ids of the sites that run now. */
  get running(): readonly string[] {
    return [...this.#running.values()].map((child) => child.workflowId);
  }

  /** Stages by their ids, in the order of the ids; all of the plan without. */
  stages(ids: readonly string[] = [...this.#stages.keys()]): readonly PlacedStage[] {
    return ids.map((id) => this.#stages.get(id)!);
  }

  /** Asks every host. What costs more than a look is asked for when something has changed. A verification only meets them: it is going to ask each thing once. */
  async survey(): Promise<void> {
    const isVerification = this.#rollout.plan.purpose === 'verify';
    const stages = this.stages().filter((stage) => stage.afterChange !== true && !isVerification);
    await Promise.all(this.inputs(stages).map((input) => this.#inSite('survey', input)));
  }

  /** Runs stages on hosts (all without) in every site that has work left, and waits for all, whatever becomes of one. */
  async run(segment: number | string, stages: readonly PlacedStage[], hosts?: readonly string[]): Promise<void> {
    const inputs = this.inputs(stages, hosts);
    const busy = inputs.filter((input) => this.#hasWork(input));
    for (const input of inputs) if (!busy.includes(input)) this.#noteIdle(input);
    await Promise.all(busy.map((input) => this.#inSite(segment, input)));
  }

  /** Whether any of these hosts (all without) has something to do with these stages. */
  isBusy(stages: readonly PlacedStage[], hosts?: readonly string[]): boolean {
    return this.inputs(stages, hosts).some((input) => this.#hasWork(input));
  }

  /** To all that run. One after another: two signals under way at once may arrive in either order. */
  tell<Message>(signal: Told<Message>, message?: Message): void {
    const tellAll = () => Promise.all([...this.#running.values()].map((child) => tell(child, signal, message)));
    this.#telling = this.#telling.then(tellAll);
  }

  /** What some hosts have to do with some stages. All hosts, unless told. */
  input(stages: readonly PlacedStage[], site = '', hosts = this.#rollout.plan.hosts): SiteInput {
    const how = { paused: this.paused, since: this.#since, lending: this.#lending };
    return inputFor(this.#rollout, this.#account, { stages, hosts, site, ...how });
  }

  /** What every site with hosts (all without) has to do with some stages. */
  inputs(stages: readonly PlacedStage[], hosts?: readonly string[]): readonly SiteInput[] {
    const names = hosts && new Set(hosts);
    const meant = this.#rollout.plan.hosts.filter(({ name }) => names === undefined || names.has(name));
    return [...Map.groupBy(meant, (host) => host.site)].map(([name, members]) => this.input(stages, name, members));
  }

  async #inSite(segment: number | string, input: SiteInput): Promise<void> {
    const { cluster, revision, site: name } = input;
    let hasBegun = false;
    try {
      const child = await startChild<typeof site>(segment === 'survey' ? 'survey' : 'site', {
        workflowId: siteId(cluster, revision, segment, name),
        args: [input],
        staticSummary: summaryOf(segment, input),
        typedSearchAttributes: attributes({
          cluster,
          revision,
          site: name,
          state: segment === 'survey' ? 'surveying' : 'rolling',
        }),
      });
      hasBegun = true;
      this.#running.set(name, child);
      this.#catchUp(child, input);
      this.onChange();
      this.#account.add(await child.result().finally(() => this.#running.delete(name)));
    } catch (error) {
      if (segment !== 'survey' && hasBegun) this.#account.add(anything(input));
      const message = `site ${name}: ${rootCause(error) ?? String(error)}`;
      const failed = { type: 'Unexpected', message, cancelled: isCancellation(error) };
      this.#account.fail(name, undefined, failed, { onFailure: 'pause', alone: true });
    }
    this.weigh();
    this.onChange();
    if (segment !== 'survey' && this.#account.stopped !== undefined) this.tell(haltSignal);
  }

  /** What was told to all while this one was being started has passed it by. */
  #catchUp(child: ChildWorkflowHandle<typeof site>, { paused, hosts, ledger }: SiteInput): void {
    const signal = paused ? resumeSignal : pauseSignal;
    for (const { name: host } of hosts)
      if (this.#account.skipped.has(host) && !ledger.parked.includes(host)) void tell(child, leaveOutSignal, { host });
    if (this.#account.stopped !== undefined) void tell(child, haltSignal);
    else if (paused !== this.paused) void tell(child, signal);
  }

  /** Too many parked hosts are a failure. A verification has no budget: it fails if anything is wrong. */
  weigh(): void {
    this.#account.stopped ??= this.overBudget;
  }

  get overBudget(): string | undefined {
    const { budget, purpose, hosts } = this.#rollout.plan;
    // Who leaves may be dead: that is often why it does.
    const leaving = new Set(hosts.filter((host) => host.leaving).map(({ name }) => name));
    const lost = this.#account.lost.filter((host) => !leaving.has(host));
    if (lost.length <= budget || purpose === 'verify') return undefined;
    return `${lost.length} hosts are parked, and ${budget} may be: ${lost.join(', ')}`;
  }

  /** Whether some step is to be carried out. */
  #hasWork({ stages, changed }: SiteInput): boolean {
    const account = this.#account;
    const isSettled = (host: string, stage: Stage) => account.isSettled(host, stage, changed);
    const isLeft = (stage: Stage) =>
      stage.scope !== 'host' && stage.on === 'one'
        ? !stage.hosts.some((host) => isSettled(host, stage))
        : stage.hosts.some((host) => !account.parked.has(host) && !isSettled(host, stage));
    return stages.some((stage) => (stage.afterChange !== true || changed) && isLeft(stage));
  }

  /** Where no step is to be carried out, that is noted. */
  #noteIdle({ stages, changed }: SiteInput): void {
    const account = this.#account;
    for (const stage of stages)
      for (const host of stage.hosts) {
        if (account.parked.has(host) || account.stateOf(host, stage) !== undefined) continue;
        const isDue = stage.afterChange !== true || changed;
        account.mark(host, stage, isDue && account.isSettled(host, stage, changed) ? 'unchanged' : 'skipped');
      }
  }
}

/** A site that was terminated took its account with it. Then all may have been touched, and the receipts on the hosts decide. */
function anything({ stages, ledger }: SiteInput): Ledger {
  const changing = stages.filter((stage) => stage.kind === 'change');
  return { ...ledger, touched: Object.fromEntries(changing.map((stage) => [stage.id, stage.hosts])) };
}

function summaryOf(segment: number | string, { site, hosts, stages }: SiteInput): string {
  const what = segment === 'survey' ? 'survey' : stages.map((stage) => stage.title).join(' → ');
  return clipped(`${site}: ${hosts.length} host${hosts.length === 1 ? '' : 's'}, ${what}`, 80);
}

type Told<Message> = SignalDefinition<[], string> | SignalDefinition<[Message?], string>;

/** One that has just ended need not be told. */
async function tell<Message>(
  child: ChildWorkflowHandle<typeof site>,
  signal: Told<Message>,
  message?: Message,
): Promise<void> {
  await child.signal(signal as SignalDefinition<[Message?], string>, message).catch(() => {});
}
