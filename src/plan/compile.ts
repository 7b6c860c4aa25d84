import { contexts, type Layout, type Leaving, used } from '../roles/context.ts';
import { roles as registry } from '../roles/index.ts';
import type { Operation } from '../roles/operation.ts';
import type { Role } from '../roles/role.ts';
import type { Cluster } from '../spec/cluster.ts';
import { isAccessKey, withKey } from './access-key.ts';
import { type Aim, isKeeping, purposeFor, stagesFor } from './aim.ts';
import { cut } from './cut.ts';
import { IMPATIENCE, PATIENCE } from './patience.ts';
import {
  type HostSpec,
  type Knowledge,
  namedArguments,
  OTHERS,
  type Plan,
  type Policy,
  RELEASED,
  type Stage,
  withdrawn,
} from './plan.ts';
import { amountOf, policyOf } from './policy.ts';
import { ON_FAILURE } from './safekeeping.ts';
import { gatesOf, secretsOf } from './secrets.ts';
import { bastionsTo } from './way.ts';
import { withdrawals } from './withdraw.ts';

export type { Aim };

export interface CompileOptions {
  readonly purpose?: Aim;
  /** The registry's unless told. */
  readonly roles?: readonly Role[];
  /** What the cluster was before: hosts that are not in it any more leave in order. */
  readonly before?: Cluster;
  /** Even where a service loses its quorum by it. */
  readonly forced?: boolean;
  /** Data of hosts that leave is erased. */
  readonly data?: boolean;
}

/** How long a verification gives what may be about to come, in milliseconds. */
const VERIFYING = 10_000;

/** The plan that makes a cluster what its spec says, or of what else is aimed at. Pure: the same input gives the same plan. */
export function compilePlan(
  cluster: Cluster,
  knowledge: Knowledge,
  { purpose: aim = 'apply', roles = registry, before, forced = false, data = false }: CompileOptions = {},
): Plan {
  const isEnd = aim === 'destroy';
  const purpose = purposeFor(aim);
  const { indexes } = allot(cluster, knowledge);
  const all = cluster.hosts.map((host) => ({
    ...withKey(host, knowledge),
    index: indexes[host.name]!,
    ...(isEnd && { leaving: true as const }),
  }));
  const leaving = before && leavingOf(before, cluster, knowledge, forced);
  const layout: Layout = { ...cluster, cluster: cluster.name, hosts: all, ...(leaving && { leaving }) };
  const contextOf = contexts(layout, roles);
  const here = used(layout, roles);
  const of = (role: Role) => [layout.sections[role.name], contextOf(role)] as const;

  const staying = stagesFor(aim, all, here, of);
  const parting = leaving ? here.toReversed().flatMap((role) => role.leave?.(...of(role)) ?? []) : [];
  const gone = [...(isEnd ? all : []), ...(leaving?.hosts ?? [])];
  const ending = gone.length > 0 ? endOf(isEnd ? cluster : before!, gone, { knowledge, roles, data }) : [];
  const laidOut = isEnd ? ending : [...staying, ...parting, ...ending];
  const named = laidOut.filter((stage) => stage.hosts.length > 0).map(withId);
  const wanted = asWanted(aim, named);
  const { stages, segments } = cut(wanted, operationsOf(roles, wanted));
  const hosts = isKeeping(aim) ? all.filter(({ name }) => isNamed(stages, name)) : isEnd ? gone : [...all, ...gone];
  // A verification changes nothing, so there is nobody to spare and nothing to wait for.
  const policy = purpose === 'apply' ? policyFor(cluster, hosts) : undefined;
  const { bastions } = bastionsTo(hosts, { ...before?.bastions, ...cluster.bastions });
  return {
    version: 1,
    cluster: cluster.name,
    purpose,
    hosts,
    ...(bastions && { bastions }),
    stages,
    segments,
    secrets: secretsOf([cluster, ...(before ? [before] : [])], { hosts, bastions, stages }),
    // Who takes a cluster away wants of each host as much as can be had.
    budget: isEnd ? hosts.length : amountOf(cluster.rollout.budget, all.length),
    onFailure: ON_FAILURE[purpose] ?? cluster.rollout.onFailure,
    ...(policy && { policy }),
    patience: purpose === 'verify' ? IMPATIENCE : PATIENCE,
    outputs: isEnd || purpose === 'backup' ? [] : here.flatMap((role) => role.outputs?.(...of(role)) ?? []),
  };
}

const isNamed = (stages: readonly Stage[], host: string) => stages.some(({ hosts }) => hosts.includes(host));

/** How hosts end up that leave: as they were before all that this cluster has ever brought about on them. */
function endOf(
  cluster: Cluster,
  gone: readonly HostSpec[],
  { knowledge, roles, data }: { knowledge: Knowledge; roles: readonly Role[]; data: boolean },
): readonly Stage[] {
  const { indexes } = knowledge;
  const hosts = cluster.hosts.map((host, n) => ({ ...withKey(host, knowledge), index: indexes[host.name] ?? n }));
  const layout: Layout = { ...cluster, cluster: cluster.name, hosts };
  const contextOf = contexts(layout, roles);
  const parting = contexts({ ...layout, hosts: gone }, roles);
  const here = used(layout, roles);
  const sectionOf = (role: Role) => layout.sections[role.name];
  const erasing = data ? here.toReversed().flatMap((role) => role.erase?.(sectionOf(role), parting(role)) ?? []) : [];
  return withdrawals(
    here.flatMap((role) => role.stages(sectionOf(role), contextOf(role))),
    gone.map(({ name }) => name),
    { erasing, data },
  );
}

/** The hosts that are in the cluster no longer; none where there are none. */
function leavingOf(before: Cluster, { hosts }: Cluster, knowledge: Knowledge, forced: boolean): Leaving | undefined {
  const { indexes } = knowledge;
  const staying = new Set(hosts.map(({ name }) => name));
  const gone = before.hosts.flatMap((host): HostSpec[] => {
    const index = indexes[host.name];
    return staying.has(host.name) || index === undefined ? [] : [{ ...withKey(host, knowledge), index, leaving: true }];
  });
  return gone.length === 0 ? undefined : { hosts: gone, sections: before.sections, forced };
}

/** Where the spec says nothing of it there is none: such a plan is the same as ever. */
function policyFor({ rollout, sites }: Cluster, hosts: readonly HostSpec[]): Policy | undefined {
  const windows = Object.entries(sites).flatMap(([site, { timezone, window }]) =>
    timezone !== undefined && window !== undefined && hosts.some((host) => host.site === site)
      ? [[site, { timezone, ...window }] as const]
      : [],
  );
  return policyOf({ ...rollout, windows: Object.fromEntries(windows) }, hosts);
}

/**
 * Gives hosts that have no index yet the lowest that nobody ever had. Where the network's range has no such left,
 * hosts take those of hosts that have gone.
 */
export function allot(cluster: Pick<Cluster, 'hosts' | 'network'>, knowledge: Knowledge): Knowledge {
  const { range, prefix } = cluster.network;
  const room = 2 ** (prefix - Number(range.split('/')[1]));
  const present = new Set(cluster.hosts.map(({ name }) => name));
  const indexes = new Map(Object.entries(knowledge.indexes));
  for (const name of present) {
    if (indexes.has(name)) continue;
    const index = lowestFree(indexes.values());
    const [gone] = index < room ? [] : [...indexes.keys()].filter((other) => !present.has(other));
    indexes.set(name, gone === undefined ? index : (indexes.get(gone) ?? index));
    if (gone !== undefined) indexes.delete(gone);
  }
  const outside = [...present].filter((name) => (indexes.get(name) ?? room) >= room);
  if (outside.length > 0) {
    throw new Error(`${range} has room for ${room} hosts (a /${prefix} each), none of it for ${outside.join(', ')}`);
  }
  return { ...knowledge, indexes: Object.fromEntries(indexes) };
}

function lowestFree(taken: Iterable<number>): number {
  const all = new Set(taken);
  let index = 0;
  while (all.has(index)) index++;
  return index;
}

function asWanted(aim: Aim, stages: readonly Stage[]): readonly Stage[] {
  if (aim === 'verify') return stages.filter(({ kind }) => kind === 'check').map(always);
  return aim === 'rotate' ? stages.filter(isOfKey) : stages;
}

const isOfKey = ({ args }: Stage) =>
  namedArguments(args).some(([name, key]) => name === 'key' && typeof key === 'string' && isAccessKey(key));

/** Numbered before any are left out, so that a check has one id in every plan. */
function withId(stage: Stage, n: number, { length }: readonly Stage[]): Stage {
  const digits = Math.max(2, String(length - 1).length);
  return { ...stage, id: `${String(n).padStart(digits, '0')}-${stage.operation}` };
}

/** Who asks for a verification wants the costly proofs too, though nothing was changed, and an answer rather than to wait. */
function always(stage: Stage): Stage {
  const { afterChange: _afterChange, ...rest } = stage;
  return { ...rest, timeout: Math.min(rest.timeout, VERIFYING) };
}

/** The operations that stages and their gates name, with the arguments checked: a mistake here is one of a role. */
function operationsOf(roles: readonly Role[], stages: readonly Stage[]): ReadonlyMap<string, Operation> {
  const operations = new Map(roles.flatMap((role) => role.operations.map((operation) => [operation.name, operation])));
  const calls = stages.flatMap((stage) => [stage, ...gatesOf(stage)]);
  for (const { operation, args } of calls) {
    if (isEnding(operation)) continue;
    const known = operations.get(operation);
    if (!known) throw new Error(`${operation} stands in a plan, and in no role's list of operations`);
    known.args.parse(args);
  }
  return operations;
}

/** What the workers know without a role. */
const isEnding = (operation: string) => [OTHERS, RELEASED].includes(operation) || withdrawn(operation) !== undefined;
