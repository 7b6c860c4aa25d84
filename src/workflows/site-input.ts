import { workflowInfo } from '@temporalio/workflow';
import { isAccessKey, WAY_IN } from '../plan/access-key.ts';
import { DIGEST_KEY, type HostSpec, type Plan, type Stage } from '../plan/plan.ts';
import type { Account } from './account.ts';
import { fenceFrom } from './activity.ts';
import type { Ledger, PlacedStage, RolloutInput, SiteInput } from './contract.ts';

interface Part {
  readonly stages: readonly PlacedStage[];
  readonly hosts: readonly HostSpec[];
  readonly site: string;
  readonly paused: boolean;
  readonly since: Date;
}

/** What some hosts have to do with some stages, with all that they need to know for it and no more: it stands in histories. */
export function inputFor({ plan, revision, sealed, owner }: RolloutInput, account: Account, part: Part): SiteInput {
  const { hosts, site, paused, since } = part;
  const { firstExecutionRunId } = workflowInfo();
  const names = new Set(hosts.map((host) => host.name));
  const here = part.stages.map((stage) => ({ ...stage, hosts: stage.hosts.filter((host) => names.has(host)) }));
  const stages = here.filter((stage) => stage.hosts.length > 0);
  const secrets = new Set([
    ...hosts.flatMap((host) => Object.values(host.access)),
    ...stages.flatMap(secretsNamedBy),
    DIGEST_KEY,
  ]);
  return {
    cluster: plan.cluster,
    revision,
    site,
    rollout: firstExecutionRunId,
    fence: fenceFrom(since),
    hosts,
    stages,
    sealed: only({ ...sealed, ...fromWorkers(plan) }, (name) => secrets.has(name) || isAccessKey(name)),
    ...(owner && { owner }),
    patience: plan.patience,
    onFailure: plan.onFailure,
    purpose: plan.purpose,
    ledger: ledgerOf(account, names, stages),
    dirty: [...account.dirty].filter((host) => names.has(host)),
    changed: account.changed > 0 || plan.purpose === 'verify',
    paused,
    ...windowsOf(plan, hosts),
  };
}

function ledgerOf(account: Account, names: ReadonlySet<string>, stages: readonly PlacedStage[]): Ledger {
  const { facts, settled, parked, steps, generations } = account.toJSON();
  const named = new Set<string>([...WAY_IN, ...stages.flatMap(factsNamedBy)]);
  return {
    facts: only(facts, (fact) => named.has(fact)),
    settled: ofStages(stages, settled, (hosts) => hosts.filter((host) => names.has(host))),
    touched: {},
    parked: parked.filter((host) => names.has(host)),
    steps: ofStages(stages, steps, (states) => only(states, (host) => names.has(host))),
    generations: ofStages(stages, generations, (numbers) => only(numbers, (host) => names.has(host))),
    problems: [],
  };
}

/** Of the sites of these hosts. A verification changes nothing. */
function windowsOf({ policy, purpose }: Plan, hosts: readonly HostSpec[]): Pick<SiteInput, 'windows'> {
  const windows = only(policy?.windows ?? {}, (name) => hosts.some(({ site }) => site === name));
  return purpose === 'verify' || Object.keys(windows).length === 0 ? {} : { windows };
}

/** In place of a ciphertext: where the worker finds it. */
function fromWorkers({ secrets }: Plan): Readonly<Record<string, string>> {
  const entries = Object.entries(secrets).flatMap(([name, source]) =>
    source.from === 'worker' ? [[name, `worker:${source.entry}`] as const] : [],
  );
  return Object.fromEntries(entries);
}

const secretsNamedBy = (stage: Stage) => [
  ...stage.secrets,
  ...(stage.guard?.secrets ?? []),
  ...(stage.scope !== 'host' && stage.gate ? stage.gate.secrets : []),
];

const factsNamedBy = (stage: Stage) => [
  ...stage.needs,
  ...(stage.scope !== 'host' && typeof stage.order === 'object' && 'by' in stage.order ? [stage.order.by] : []),
];

function ofStages<Value>(
  stages: readonly Stage[],
  from: Readonly<Record<string, Value>>,
  cut: (value: Value) => Value,
): Record<string, Value> {
  const here = stages.flatMap(({ id }) => (from[id] === undefined ? [] : [[id, cut(from[id])] as const]));
  return Object.fromEntries(here);
}

function only<Value>(from: Readonly<Record<string, Value>>, isMeant: (name: string) => boolean): Record<string, Value> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => isMeant(name)));
}
