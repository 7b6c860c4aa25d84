import { ActivityFailure, ApplicationFailure, CancelledFailure, isCancellation, rootCause } from '@temporalio/workflow';
import type {
  FailureDetail,
  Recall,
  Recalled,
  Result,
  Settle,
  Survey,
  SurveyResult,
  Task,
} from '../activities/contract.ts';
import { waysIn } from '../plan/access-key.ts';
import { DIGEST_KEY, type Facts, type HostSpec } from '../plan/plan.ts';
import { bastionsTo, isAccessTo, keysOfBastions } from '../plan/way.ts';
import type { Account } from './account.ts';
import type { PlacedStage, Problem, SiteInput } from './contract.ts';
import { onHost } from './host-queue.ts';
import { borrowing } from './lending.ts';

/** What a step is asked of. */
export type Ground = Pick<
  SiteInput,
  'cluster' | 'revision' | 'rollout' | 'fence' | 'sealed' | 'owner' | 'absent' | 'lends' | 'bastions'
>;

/** A stage, or the gate of one. */
export type Asked = Pick<
  PlacedStage,
  'id' | 'operation' | 'args' | 'lent' | 'secrets' | 'needs' | 'timeout' | 'place' | 'scope' | 'kind' | 'title'
>;

/** What a rollout leaves on a host when it has ended. */
export type Parting = Pick<Parameters<Settle>[0], 'copy' | 'release'>;

interface Call {
  readonly host: HostSpec;
  readonly type: string;
  readonly stages: readonly Asked[];
  /** A verb phrase. */
  readonly does: string;
  /** Behind `host/` in the activity's id, which the Web UI shows of what is pending. Default: the type. */
  readonly id?: string;
}

/** How much longer than its steps an activity may take: to connect, to ask, and to let a state settle. */
export const MARGIN = 120_000;
/** How many fences a rollout has: those of its steps in the order of the plan, then those of their undos in reverse. */
const FENCES = 2_000;

/** Where the fences of a rollout begin that started then. By the clock, so that they rise even when a new server counts revisions from 1. */
export const fenceFrom = (started: Date) => started.getTime() * FENCES;

export const surveyed = (ground: Ground, account: Account, call: Omit<Call, 'type'>, explain = false) =>
  invoke<SurveyResult>({ ...call, type: 'host.survey' }, {
    ...task(ground, account, call),
    ...(explain && { explain }),
  } satisfies Parameters<Survey>[0]);

export const converged = (ground: Ground, account: Account, call: Call) =>
  invoke<readonly Result[]>(call, task(ground, account, call));

export const undone = (ground: Ground, account: Account, call: Omit<Call, 'type'>) => {
  const type = `${call.stages[0]!.operation}.undo`;
  return invoke<readonly Result[]>({ ...call, type }, task(ground, account, call, true));
};

export const settled = (ground: Ground, account: Account, host: HostSpec, parting: Parting = {}) =>
  invoke<void>(
    { host, type: 'host.settle', stages: [], does: 'forget the receipts' },
    settling(ground, account, host, parting),
  );

export function settling(ground: Ground, account: Account, host: HostSpec, parting: Parting): Parameters<Settle>[0] {
  const { rollout, fence } = ground;
  const over = fence + FENCES; // where a rollout begins that starts a millisecond later
  return { ...task(ground, account, { host, stages: [] }), rollout, over, ...parting };
}

export const recalled = (ground: Ground, account: Account, host: HostSpec, copy: boolean) => {
  const does = copy ? 'read the copy of the cluster' : 'whose is it';
  const call = { host, type: 'host.recall', stages: [], does, id: copy ? 'copy' : 'owner' };
  return invoke<Recalled>(call, { ...task(ground, account, call), copy } satisfies Parameters<Recall>[0]);
};

/** What an activity is told of a host and of its steps. */
export function task(
  ground: Ground,
  account: Account,
  { host, stages }: Pick<Call, 'host' | 'stages'>,
  undo = false,
): Task {
  const { cluster, revision, rollout, fence, sealed, owner, bastions } = ground;
  // A check of all together must hold without those that are parked: to it, their facts are empty.
  const isCheck = stages.length > 0 && stages.every((stage) => stage.kind === 'check');
  const absent = isCheck ? new Set([...account.parked, ...(ground.absent ?? [])]) : new Set<string>();
  const { facts, borrows } = borrowing(ground, account, host.name, stages);
  const way = bastionsTo([host], bastions);
  const isAccess = isAccessTo([host], bastions);
  const names = new Set([...stages.flatMap((stage) => stage.secrets), DIGEST_KEY]);
  const generation = (stage: Asked) => account.generationOf(host.name, stage);
  return {
    cluster,
    revision,
    fence: fence + (stages[0] ? numberOf(stages[0].place, generation(stages[0]), undo) : 0),
    host,
    ...way,
    steps: stages.map((stage) => ({
      receipt: `${rollout}/${stage.id}`,
      operation: stage.operation,
      args: stage.args,
      generation: generation(stage),
      timeout: stage.timeout,
      ...(stage.lent && { lent: stage.lent }),
    })),
    facts: {
      ...waysIn([host.name], account.facts),
      ...keysOfBastions(account.facts, way.bastions),
      ...leavingOut(absent, facts),
    },
    sealed: pick(sealed, (name) => isAccess(name) || names.has(name)),
    ...(owner && { owner }),
    ...(borrows && { borrows }),
  };
}

type Inputs = Parameters<Survey | Settle | Recall>[0] | Task;

function invoke<R>({ host, type, stages, does, id = type }: Call, input: Inputs): Promise<R> {
  const { cluster } = input;
  const timeout = stages.reduce((sum, stage) => sum + stage.timeout, MARGIN);
  return onHost<R>({ cluster, host, type, id, summary: clipped(`${host.name}: ${does}`, 60), timeout }, input);
}

/** Why an activity did not succeed. Without `results` it could not tell how far it had come. */
export interface Failed extends Partial<FailureDetail> {
  readonly type: string;
  /** One line. */
  readonly message: string;
  readonly cancelled: boolean;
}

export function failureOf(error: unknown, where: string): Failed {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const cancelled = isCancellation(error);
  if (cause instanceof ApplicationFailure || cause instanceof CancelledFailure) {
    const { results, begun, log, hint, shownKey, facts, ended } = (cause.details?.[0] ?? {}) as Partial<FailureDetail>;
    return {
      type: cancelled ? 'Cancelled' : ((cause as ApplicationFailure).type ?? 'Unexpected'),
      message: cause.message,
      ...(results !== undefined && { results }),
      ...(begun !== undefined && { begun }),
      ...(log !== undefined && { log }),
      ...(hint !== undefined && { hint }),
      ...(shownKey !== undefined && { shownKey }),
      ...(facts !== undefined && { facts }),
      ...(ended && { ended }),
      cancelled,
    };
  }
  return { type: 'Unexpected', message: `${where}: ${rootCause(error) ?? String(error)}`, cancelled };
}

/** As people are told of it. */
export function problemOf(host: string, stage: { readonly id: string } | undefined, failed: Failed): Problem {
  const { type, message, log, hint, shownKey } = failed;
  return {
    host,
    type,
    message,
    ...(stage && { stage: stage.id }),
    ...(shownKey !== undefined && { shownKey }),
    ...(log !== undefined && { log }),
    ...(hint !== undefined && { hint }),
  };
}

/** Rises from step to step of a host, since they go in the order of the plan, and with each generation. */
function numberOf(place: number, generation: number, undo: boolean): number {
  const [at, nth] = [Math.min(place, 99), Math.min(generation, 9)];
  return undo ? 1_000 + (99 - at) * 10 + nth : at * 10 + nth;
}

export function clipped(words: string, length: number): string {
  return words.length <= length ? words : `${words.slice(0, length - 1)}…`;
}

function leavingOut(hosts: ReadonlySet<string>, facts: Facts): Facts {
  if (hosts.size === 0) return facts;
  const emptied = Object.fromEntries([...hosts].map((host) => [host, '']));
  return Object.fromEntries(Object.entries(facts).map(([fact, table]) => [fact, { ...table, ...emptied }]));
}

function pick<Value>(from: Readonly<Record<string, Value>>, isMeant: (name: string) => boolean): Record<string, Value> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => isMeant(name)));
}
