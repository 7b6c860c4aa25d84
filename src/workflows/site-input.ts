import { workflowInfo } from '@temporalio/workflow';
import { DIGEST_KEY, type HostSpec, type Plan, type Stage } from '../plan/plan.ts';
import { fromWorker } from '../plan/sealed.ts';
import { bastionsTo, isAccessTo, keysOfBastions } from '../plan/way.ts';
import type { Account } from './account.ts';
import { fenceFrom } from './activity.ts';
import type { PlacedStage, RolloutInput, SiteInput } from './contract.ts';
import type { Lending } from './lending.ts';

interface Part {
  readonly stages: readonly PlacedStage[];
  readonly hosts: readonly HostSpec[];
  readonly site: string;
  readonly paused: boolean;
  readonly since: Date;
  readonly lending: Lending;
}

/** What some hosts have to do with some stages, with all that they need to know for it and no more: it stands in histories. */
export function inputFor({ plan, revision, sealed, owner }: RolloutInput, account: Account, part: Part): SiteInput {
  const { hosts, site, paused, since, lending } = part;
  const { firstExecutionRunId } = workflowInfo();
  const names = new Set(hosts.map((host) => host.name));
  const here = part.stages.map((stage) => ({ ...stage, hosts: stage.hosts.filter((host) => names.has(host)) }));
  const stages = here.filter((stage) => stage.hosts.length > 0);
  const { facts, lends } = lending.facts(only(account.facts, isIn(stages.flatMap(factsNamedBy))), names);
  const absent = [...account.parked].filter((host) => !names.has(host));
  const way = bastionsTo(hosts, plan.bastions);
  const isAccess = isAccessTo(hosts, plan.bastions);
  const isNamed = isIn([...stages.flatMap(secretsNamedBy), DIGEST_KEY]);
  return {
    cluster: plan.cluster,
    revision,
    site,
    rollout: firstExecutionRunId,
    fence: fenceFrom(since),
    hosts,
    ...way,
    stages: stages.map((stage) => lending.stage(stage)),
    sealed: only({ ...sealed, ...fromWorkers(plan) }, (name) => isAccess(name) || isNamed(name)),
    ...(owner && { owner }),
    patience: plan.patience,
    onFailure: plan.onFailure,
    purpose: plan.purpose,
    ledger: account.part(names, stages, { ...facts, ...keysOfBastions(account.facts, way.bastions) }),
    dirty: [...account.dirty].filter((host) => names.has(host)),
    changed: account.changed > 0 || plan.purpose === 'verify',
    paused,
    ...windowsOf(plan, hosts),
    ...(absent.length > 0 && { absent }),
    ...(lends && { lends }),
  };
}

/** Of the sites of these hosts. A verification changes nothing. */
function windowsOf({ policy, purpose }: Plan, hosts: readonly HostSpec[]): Pick<SiteInput, 'windows'> {
  const windows = only(policy?.windows ?? {}, (name) => hosts.some(({ site }) => site === name));
  return purpose === 'verify' || Object.keys(windows).length === 0 ? {} : { windows };
}

/** In place of a ciphertext: where the worker finds it. */
export function fromWorkers({ secrets }: Pick<Plan, 'secrets'>): Readonly<Record<string, string>> {
  const entries = Object.entries(secrets).flatMap(([name, source]) =>
    source.from === 'worker' ? [[name, fromWorker(source.entry)] as const] : [],
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

function isIn(names: readonly string[]): (name: string) => boolean {
  const all = new Set(names);
  return (name) => all.has(name);
}

function only<Value>(from: Readonly<Record<string, Value>>, isMeant: (name: string) => boolean): Record<string, Value> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => isMeant(name)));
}
