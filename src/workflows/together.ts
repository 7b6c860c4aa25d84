import { ApplicationFailure, patched } from '@temporalio/workflow';
import type { SurveyResult, SurveyTogether, Task } from '../activities/contract.ts';
import { type Bastions, type Facts, groups, type HostSpec } from '../plan/plan.ts';
import type { Account } from './account.ts';
import { clipped, type Ground, MARGIN, type Parting, settled, settling, task } from './activity.ts';
import type { PlacedStage } from './contract.ts';
import { onHost } from './host-queue.ts';

/** Hosts an activity. Where there are no more than these, each has its own, which says more to who looks on. */
const TOGETHER = 10;

/** Hosts of one site that have the same to do, so many at a time; nothing where they are few. */
function grouped(
  hosts: readonly HostSpec[],
  stages: readonly PlacedStage[] = [],
): readonly (readonly HostSpec[])[] | undefined {
  if (hosts.length <= TOGETHER || !patched('hosts-together')) return undefined;
  const likes = Map.groupBy(hosts, ({ name, site }) =>
    [site, ...stages.filter((stage) => stage.hosts.includes(name)).map(({ place }) => place)].join(),
  );
  return [...likes.values()].flatMap((like) => groups(TOGETHER, like));
}

/** How to come by what a look has found. Rejects as an activity of its own would. */
export type Look = () => Promise<SurveyResult>;

/** The first look at each of many hosts. Of a host without one nobody has asked yet. */
export function looks(
  ground: Ground,
  account: Account,
  hosts: readonly HostSpec[],
  stages: readonly PlacedStage[],
): ReadonlyMap<string, Look> {
  const all = grouped(hosts, stages) ?? [];
  return new Map(
    all.flatMap((some) => {
      const own = stages.filter((stage) => stage.hosts.includes(some[0]!.name));
      const tasks = some.map((host) => task(ground, account, { host, stages: own }));
      const answers = act<Awaited<ReturnType<SurveyTogether>>>('hosts.survey', tasks, 'survey');
      return some.map(({ name }, n) => [name, async () => found((await answers)[n]!)] as const);
    }),
  );
}

function found(answer: Awaited<ReturnType<SurveyTogether>>[number]): SurveyResult {
  if (!('failed' in answer)) return answer;
  const { type, message, detail } = answer.failed;
  throw ApplicationFailure.create({ type, message, nonRetryable: true, details: [detail] });
}

/**
 * Lets go of hosts. What cannot be reached keeps what it has; it does no harm. `leave` says what each is left with: those that
 * get a copy of the cluster have activities of their own.
 */
export async function letGo(
  ground: Ground,
  account: Account,
  hosts: readonly HostSpec[],
  leave: (host: HostSpec) => Parting,
): Promise<void> {
  const getsCopy = (host: HostSpec) => leave(host).copy !== undefined;
  const some = (group: readonly HostSpec[]) =>
    act<void>(
      'hosts.settle',
      group.map((host) => settling(ground, account, host, leave(host))),
      'settle',
    );
  const all = grouped(hosts.filter((host) => !getsCopy(host)));
  const alone = all ? hosts.filter(getsCopy) : hosts;
  const parts = [...(all ?? []).map(some), ...alone.map((host) => settled(ground, account, host, leave(host)))];
  await Promise.all(parts.map((part) => part.catch(() => {})));
}

/** One input for all, with what each of them needs. */
function act<Result>(type: string, tasks: readonly Shared[], id: string): Promise<Result> {
  const hosts = tasks.map(({ host }) => host);
  const [{ host, ...first }] = tasks as readonly [Shared, ...Shared[]];
  const who = `${host.name}…${hosts.at(-1)!.name}`;
  const input = {
    ...first,
    hosts,
    facts: tasks.map(({ facts }) => facts).reduce(joined),
    sealed: Object.assign({}, ...tasks.map(({ sealed }) => sealed)) as Task['sealed'],
    ...(tasks.some(({ bastions }) => bastions) && {
      bastions: Object.assign({}, ...tasks.map(({ bastions }) => bastions)) as Bastions,
    }),
  };
  const summary = clipped(`${who}: ${id}`, 60);
  return onHost<Result>({ cluster: first.cluster, host, who, type, id, summary, timeout: 2 * MARGIN }, input);
}

type Shared = Omit<Task, 'steps'>;

function joined(one: Facts, other: Facts): Facts {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return Object.fromEntries(names.map((fact) => [fact, { ...one[fact], ...other[fact] }]));
}
