import { ApplicationFailure } from '@temporalio/common';
import * as z from 'zod';
import { allot, compilePlan } from '../plan/compile.ts';
import { digestOf } from '../plan/digest.ts';
import { pack } from '../plan/pack.ts';
import type { Knowledge } from '../plan/plan.ts';
import type { Role } from '../roles/role.ts';
import { changeHosts, HostChange } from '../spec/change.ts';
import { keep, kept } from '../spec/kept.ts';
import { parseCluster } from '../spec/parse.ts';
import { SpecError } from '../spec/problem.ts';
import type { Changing, CheckChange, PlanChange, Replanned } from './contract.ts';
import { failure } from './failures.ts';

type Renamed = Replanned['renamed'];

/** `cluster.plan` and `cluster.check`: where all roles are known, which is neither in a workflow nor with whoever sends a signal. */
export function createPlanChange(roles: readonly Role[]): { readonly plan: PlanChange; readonly check: CheckChange } {
  const replan = replanning(roles);
  return {
    plan: async (asked) => replan(asked),
    check: async (asked) => {
      const { plan } = replan(asked);
      // By what the change says: the name of one that is replaced is known already.
      const coming = new Set(
        asked.changes
          .slice(-1)
          .flatMap(hostsIn)
          .map(({ name }) => name),
      );
      return plan.hosts.filter(({ name, leaving }) => !leaving && coming.has(name));
    },
  };
}

function replanning(roles: readonly Role[]) {
  const read = (text: string) => parseCluster(text, { file: 'cluster.yaml', roles }).cluster;
  return ({ wanted, former, changes, knowledge, forced = false, data = false }: Changing): Replanned => {
    const taken = Object.keys(knowledge.indexes);
    const changed = attempt(() => changes.map(shaped).reduce(follow(taken), { text: kept(wanted.spec) }));
    const { renamed } = changed;
    if (renamed && former) throw failure('InvalidArguments', 'hosts are still leaving: apply again first');
    const cluster = attempt(() => read(changed.text));
    const earlier = former ? kept(former.spec) : changed.before;
    const before = earlier === undefined ? undefined : attempt(() => read(earlier));
    // Who leaves keeps its place in the network until it has left.
    const present = { ...cluster, hosts: [...(before?.hosts ?? []), ...cluster.hosts] };
    const all = attempt(() => allot(present, renamed ? withName(knowledge, renamed) : knowledge));
    const plan = attempt(() => compilePlan(cluster, all, { roles, ...(before && { before, forced, data }) }));
    const leaves = plan.hosts.some(({ leaving }) => leaving);
    const after = leaves ? compilePlan(cluster, all, { roles }) : undefined;
    return {
      wanted: keep(cluster),
      ...(leaves && before && { former: keep(before) }),
      ...(renamed && { renamed }),
      plan: pack(plan),
      digest: digestOf(plan),
      knowledge: all,
      ...(after && { after: { plan: pack(after), digest: digestOf(after) } }),
    };
  };
}

interface Step {
  readonly text: string;
  readonly before?: string;
  readonly renamed?: Renamed;
}

/** One change after another. What was before is what was before the first of them. */
const follow =
  (taken: readonly string[]) =>
  ({ text, ...had }: Step, change: HostChange): Step => {
    const { text: next, before, renamed } = changeHosts(text, change, taken);
    return { before, ...(renamed && { renamed }), ...had, text: next };
  };

/** The machine that takes a name over is another one, with a place of its own in the network. */
function withName({ indexes, ...known }: Knowledge, { from, to }: NonNullable<Renamed>): Knowledge {
  const { [from]: index, ...others } = indexes;
  return { ...known, indexes: index === undefined ? others : { ...others, [to]: index } };
}

function hostsIn(change: HostChange) {
  if ('add' in change) return change.add;
  return 'with' in change ? [change.with] : [];
}

/** Whatever somebody has typed. */
function shaped(change: unknown): HostChange {
  const { data, error } = HostChange.safeParse(change);
  if (data) return data;
  throw failure('InvalidArguments', z.prettifyError(error));
}

/** All that is wrong, without the lines of a file that nobody has. */
function attempt<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof Error) || error instanceof ApplicationFailure) throw error;
    if (!(error instanceof SpecError)) throw failure('InvalidArguments', error.message);
    const wrong = error.problems.filter(({ severity }) => severity === 'error');
    const said = wrong.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
    throw failure('InvalidArguments', said.join('; '));
  }
}
