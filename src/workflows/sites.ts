import {
  type ChildWorkflowHandle,
  isCancellation,
  rootCause,
  type SignalDefinition,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { DIGEST_KEY, type Facts, HOST_KEY, type HostSpec, type Stage } from '../plan/plan.ts';
import type { Account } from './account.ts';
import { clipped, fenceFrom } from './activity.ts';
import {
  haltSignal,
  type Ledger,
  type PlacedStage,
  pauseSignal,
  type RolloutInput,
  resumeSignal,
  type SiteInput,
  siteId,
} from './contract.ts';
import { attributes } from './report.ts';
import type { site } from './site.ts';

/** A child per site bounds every history, and keeps a slow site from holding up the others. */
export class Sites {
  readonly #rollout: RolloutInput;
  readonly #account: Account;
  readonly #stages: ReadonlyMap<string, PlacedStage>;
  paused = false;
  readonly #running = new Map<string, ChildWorkflowHandle<typeof site>>();

  constructor(rollout: RolloutInput, account: Account) {
    this.#rollout = rollout;
    this.#account = account;
    this.#stages = new Map(rollout.plan.stages.map((stage, place) => [stage.id, { ...stage, place }]));
  }

  /** Workflow ids of the sites that run now. */
  get running(): readonly string[] {
    return [...this.#running.values()].map((child) => child.workflowId);
  }

  /** Stages by their ids, in the order of the ids; all of the plan without. */
  stages(ids: readonly string[] = [...this.#stages.keys()]): readonly PlacedStage[] {
    return ids.map((id) => this.#stages.get(id)!);
  }

  /** Asks every host. What costs more than a look is asked for when something has changed. */
  async survey(): Promise<void> {
    const stages = this.stages().filter((stage) => stage.afterChange !== true);
    await this.#inEvery('survey', stages, () => true);
  }

  /** Runs stages in every site that has work left, and waits for all, whatever becomes of one. */
  async run(segment: number, stages: readonly PlacedStage[]): Promise<void> {
    await this.#inEvery(segment, stages, (input) => this.#hasWork(input));
  }

  tell<Args extends [{ readonly by?: string }?]>(signal: SignalDefinition<Args, string>, ...args: Args): void {
    for (const child of this.#running.values()) child.signal(signal, ...args).catch(() => {}); // it has just ended: nothing left to tell
  }

  /** What some hosts have to do with some stages. */
  input(stages: readonly PlacedStage[], site = '', hosts = this.#rollout.plan.hosts): SiteInput {
    const { plan, revision } = this.#rollout;
    const { firstExecutionRunId, startTime } = workflowInfo();
    const names = new Set(hosts.map((host) => host.name));
    const here = stages.map((stage) => ({ ...stage, hosts: stage.hosts.filter((host) => names.has(host)) }));
    const concerned = here.filter((stage) => stage.hosts.length > 0);
    return {
      cluster: plan.cluster,
      revision,
      site,
      rollout: firstExecutionRunId,
      fence: fenceFrom(startTime),
      hosts,
      stages: concerned,
      sealed: this.#sealedFor(hosts, concerned),
      patience: plan.patience,
      onFailure: plan.onFailure,
      purpose: plan.purpose,
      ledger: this.#ledgerOf(names, concerned),
      dirty: [...this.#account.dirty].filter((host) => names.has(host)),
      changed: this.#account.changed > 0 || plan.purpose === 'verify',
      paused: this.paused,
    };
  }

  async #inEvery(
    segment: number | 'survey',
    stages: readonly PlacedStage[],
    wanted: (input: SiteInput) => boolean,
  ): Promise<void> {
    const inputs = [...Map.groupBy(this.#rollout.plan.hosts, (host) => host.site)]
      .map(([name, members]) => this.input(stages, name, members))
      .filter(wanted);
    await Promise.all(inputs.map((input) => this.#inSite(segment, input)));
  }

  async #inSite(segment: number | 'survey', input: SiteInput): Promise<void> {
    const { cluster, revision, site: name } = input;
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
      this.#running.set(name, child);
      this.#catchUp(child, input);
      this.#account.add(await child.result().finally(() => this.#running.delete(name)));
    } catch (error) {
      if (segment !== 'survey') this.#account.add(anything(input));
      const message = `site ${name}: ${rootCause(error) ?? String(error)}`;
      const failed = { type: 'Unexpected', message, cancelled: isCancellation(error) };
      this.#account.fail(name, undefined, failed, { onFailure: 'pause', alone: true });
    }
    this.weigh();
    if (segment !== 'survey' && this.#account.stopped !== undefined) this.tell(haltSignal);
  }

  /** What was told to all while this one was being started has passed it by. */
  #catchUp(child: ChildWorkflowHandle<typeof site>, { paused }: SiteInput): void {
    if (this.#account.stopped !== undefined) child.signal(haltSignal).catch(() => {});
    else if (paused !== this.paused) child.signal(this.paused ? pauseSignal : resumeSignal).catch(() => {});
  }

  /** Too many parked hosts are a failure. A verification has no budget: it fails if anything is wrong. */
  weigh(): void {
    const { parked } = this.#account;
    const { budget, purpose } = this.#rollout.plan;
    if (parked.size > budget && purpose !== 'verify')
      this.#account.stopped ??= `${parked.size} hosts are parked, and ${budget} may be: ${[...parked].join(', ')}`;
  }

  /** Whether some step is to be carried out. Where none is, all of them are noted as unchanged. */
  #hasWork({ stages, hosts, changed }: SiteInput): boolean {
    const account = this.#account;
    const isDue = (stage: Stage) => stage.afterChange !== true || changed;
    const isLeft = (host: string, stage: Stage) =>
      !account.parked.has(host) && !account.isSettled(host, stage, changed);
    const left = stages.some((stage) => {
      if (!isDue(stage)) return false;
      const open = stage.hosts.filter((host) => isLeft(host, stage));
      return stage.scope !== 'host' && stage.on === 'one'
        ? !stage.hosts.some((host) => isHeld(host, stage))
        : open.length > 0;
    });
    function isHeld(host: string, stage: Stage): boolean {
      return account.isSettled(host, stage, changed) || account.stateOf(host, stage) === 'unchanged';
    }
    if (left) return true;
    for (const stage of stages)
      for (const { name } of hosts.filter((host) => stage.hosts.includes(host.name))) {
        if (account.parked.has(name) || account.stateOf(name, stage) !== undefined) continue;
        account.mark(name, stage, isDue(stage) && account.isSettled(name, stage, changed) ? 'unchanged' : 'skipped');
      }
    return false;
  }

  #ledgerOf(names: ReadonlySet<string>, stages: readonly PlacedStage[]): Ledger {
    const { facts, settled, parked, steps, generations } = this.#account.toJSON();
    const needed = new Set([HOST_KEY, ...stages.flatMap(factsNamedBy)]);
    return {
      facts: Object.fromEntries(Object.entries(facts).filter(([fact]) => needed.has(fact))) satisfies Facts,
      settled: of(stages, settled, (hosts) => hosts.filter((host) => names.has(host))),
      touched: {},
      parked: parked.filter((host) => names.has(host)),
      steps: of(stages, steps, (states) => only(states, names)),
      generations: of(stages, generations, (numbers) => only(numbers, names)),
      problems: [],
    };
  }

  #sealedFor(hosts: readonly HostSpec[], stages: readonly PlacedStage[]): SiteInput['sealed'] {
    const { plan, sealed } = this.#rollout;
    const used = [
      ...hosts.flatMap((host) => Object.values(host.access)),
      ...stages.flatMap(secretsNamedBy),
      DIGEST_KEY,
    ];
    const entries = Object.entries(plan.secrets).flatMap(([name, source]) =>
      source.from === 'worker' ? [[name, `worker:${source.entry}`] as const] : [],
    );
    return only({ ...sealed, ...Object.fromEntries(entries) }, new Set(used));
  }
}

/** A site that was terminated took its account with it. Then all may have been touched, and the receipts on the hosts decide. */
function anything({ stages, ledger }: SiteInput): Ledger {
  const changing = stages.filter((stage) => stage.kind === 'change');
  return { ...ledger, touched: Object.fromEntries(changing.map((stage) => [stage.id, stage.hosts])) };
}

function summaryOf(segment: number | 'survey', { site, hosts, stages }: SiteInput): string {
  const what = segment === 'survey' ? 'survey' : stages.map((stage) => stage.title).join(' → ');
  return clipped(`${site}: ${hosts.length} host${hosts.length === 1 ? '' : 's'}, ${what}`, 80);
}

const secretsNamedBy = (stage: Stage) => [
  ...stage.secrets,
  ...(stage.scope !== 'host' && stage.gate ? stage.gate.secrets : []),
];

const factsNamedBy = (stage: Stage) => [
  ...stage.needs,
  ...(stage.scope !== 'host' && typeof stage.order === 'object' && 'by' in stage.order ? [stage.order.by] : []),
];

function of<Value>(
  stages: readonly Stage[],
  from: Readonly<Record<string, Value>>,
  cut: (value: Value) => Value,
): Record<string, Value> {
  const here = stages.flatMap(({ id }) => (from[id] === undefined ? [] : [[id, cut(from[id])] as const]));
  return Object.fromEntries(here);
}

function only<Value>(from: Readonly<Record<string, Value>>, names: ReadonlySet<string>): Record<string, Value> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.has(name)));
}
