import { type Plan, roleOf, type Stage } from '../plan/plan.ts';
import {
  type Outcome,
  type Progress,
  type RolloutState,
  SKIPPED,
  type StepState,
  type Steps,
} from '../workflows/contract.ts';

/** A rollout at a moment, as far as it can be seen from outside. */
export interface View {
  readonly cluster: string;
  readonly revision: number;
  /** Of the rollout's workflow: the Web UI's links need it. */
  readonly runId: string;
  /** When the rollout began, in milliseconds since 1970. */
  readonly began: number;
  /** When it came to its end. */
  readonly ended?: number;
  readonly plan: Plan;
  readonly progress: Progress;
  /** What runs on hosts right now; empty where nobody asked. */
  readonly running: readonly Running[];
  /** What holds it or some of its sites back. */
  readonly waits?: readonly Waiting[];
  /** Why this is older than it should be, such as a worker that does not answer. */
  readonly trouble?: string;
  /** How it ended. */
  readonly outcome?: Outcome;
}

/** A step that a worker is at. */
export interface Running {
  readonly host: string;
  /** Operation, or what several share an activity as. */
  readonly what: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly attempt: number;
  /** The last line that the host said. */
  readonly line?: string;
}

/** What holds a rollout back, or one of its sites. */
export interface Waiting extends NonNullable<Progress['waits']> {
  /** Missing: all of it waits. */
  readonly site?: string;
}

/** A rollout's state with that of the sites under way laid over it: theirs is newer. */
export function merge(rollout: Progress, sites: readonly Progress[]): Progress {
  const all = [rollout, ...sites];
  return {
    ...rollout,
    steps: overlay(all.map(({ steps }) => steps)),
    changed: all.reduce((sum, { changed }) => sum + changed, 0),
    parked: [...new Set(all.flatMap(({ parked }) => parked))],
    problems: distinct(all.flatMap(({ problems }) => problems)),
  };
}

/** Whether it has come to its end, for good or bad. */
export function isOver(state: RolloutState): boolean {
  return state === 'done' || state === 'failed' || state === 'undone' || state === 'cancelled';
}

/** Whether it waits for somebody to decide what becomes of a failure. */
export function isStuck({ stuck }: Progress): boolean {
  return stuck === true;
}

/** Hosts that somebody has left out. They stand among the parked ones, with this as their problem. */
export function leftOut({ parked, problems }: Pick<Progress, 'parked' | 'problems'>): readonly string[] {
  const named = new Set(problems.filter(({ type }) => type === SKIPPED).map(({ host }) => host));
  return parked.filter((host) => named.has(host));
}

/** Hosts on which something has failed that stands in the way; where it is that too many are away, those. */
export function failedHosts({ parked, problems }: Pick<Progress, 'parked' | 'problems'>): readonly string[] {
  const failed = problems.filter(({ host, type }) => host !== '' && type !== SKIPPED).map(({ host }) => host);
  const present = failed.filter((host) => !parked.includes(host));
  return [...new Set(present.length > 0 ? present : failed)];
}

/** State of one step. */
export function stepState(steps: Steps, stage: Pick<Stage, 'id'>, host: string): StepState {
  return steps[stage.id]?.[host] ?? 'queued';
}

/** Roles of a plan, in the order in which they are rolled out. */
export function rolesOf(plan: Plan): readonly string[] {
  return [...new Set(plan.stages.map(({ operation }) => roleOf(operation)))];
}

/** Sites of a plan with their hosts, in the order of the hosts. */
export function sitesOf(plan: Plan): ReadonlyMap<string, readonly string[]> {
  const sites = Map.groupBy(plan.hosts, (host) => host.site);
  return new Map([...sites].map(([site, hosts]) => [site, hosts.map(({ name }) => name)]));
}

/** How many steps there are and how they stand. A step that any one of several hosts may do counts once. */
export interface Tally {
  readonly total: number;
  readonly settled: number;
  readonly changed: number;
  readonly unchanged: number;
}

export function tally({ plan, progress }: Pick<View, 'plan' | 'progress'>): Tally {
  const states = plan.stages.flatMap((stage) => statesOf(stage, progress.steps));
  const number = (...wanted: readonly StepState[]) => states.filter((state) => wanted.includes(state)).length;
  return {
    total: states.length,
    settled: states.length - number('queued', 'provisioning'),
    changed: number('done'),
    unchanged: number('unchanged', 'skipped'),
  };
}

/** States of a stage on its hosts, or the one state of what any one of them may do. */
function statesOf(stage: Stage, steps: Steps): readonly StepState[] {
  if (!isOnOne(stage)) return stage.hosts.map((host) => stepState(steps, stage, host));
  return [stage.hosts.map((host) => stepState(steps, stage, host)).find((state) => state !== 'queued') ?? 'queued'];
}

/** Whether any one of its hosts does it for all. */
export function isOnOne(stage: Stage): boolean {
  return stage.scope !== 'host' && stage.on === 'one';
}

/** How a role stands on a host: the state that most wants to be seen. Undefined where it has nothing to do there. */
export function roleState({ plan, progress }: Pick<View, 'plan' | 'progress'>, role: string, host: string) {
  const isOut = leftOut(progress).includes(host);
  const states = plan.stages
    .filter((stage) => roleOf(stage.operation) === role && stage.hosts.includes(host))
    .map((stage) => ({ state: stepState(progress.steps, stage, host), stage }))
    // What another host does for all is nothing that this one has yet to do.
    .filter(({ state, stage }) => !isOnOne(stage) || state !== 'queued')
    .map(({ state }) => (isOut && state === 'queued' ? 'skipped' : state));
  return states.length === 0 ? undefined : sum(states);
}

/** Several states as one. */
function sum(states: readonly StepState[]): StepState {
  for (const loud of ['failed', 'parked', 'provisioning', 'undone'] as const) if (states.includes(loud)) return loud;
  const waiting = states.filter((state) => state === 'queued').length;
  if (waiting === states.length) return 'queued';
  // Begun and not at its end: between two steps. What was found as it should be is no beginning.
  if (waiting > 0) return states.includes('done') ? 'provisioning' : 'queued';
  return states.includes('done') ? 'done' : states.includes('unchanged') ? 'unchanged' : 'skipped';
}

function overlay(all: readonly Steps[]): Steps {
  const merged: Record<string, Record<string, StepState>> = {};
  for (const steps of all)
    for (const [stage, hosts] of Object.entries(steps)) merged[stage] = { ...merged[stage], ...hosts };
  return merged;
}

function distinct(problems: Progress['problems']): Progress['problems'] {
  return [
    ...new Map(problems.map((problem) => [`${problem.host} ${problem.stage} ${problem.message}`, problem])).values(),
  ];
}
