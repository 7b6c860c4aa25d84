import { createHash } from 'node:crypto';
import { type No, type Operation, undoing, type Verdict } from '../roles/operation.ts';
import type { Command, Output } from '../ssh/command.ts';
import { Fenced, isLoss, JobLost, KeyConflict, NoSpace } from '../ssh/errors.ts';
import * as lane from '../ssh/lane.ts';
import type { Result, Step } from './contract.ts';
import { failure } from './failures.ts';
import { answered, awaitState, type State, wrong } from './state.ts';
import { placeOf, type Visit } from './visit.ts';

/** A change that a step wants. */
export interface Change {
  readonly step: Step;
  readonly state: State;
}

type Tell = (result: Result) => void;

/** What is known of a step before anything is done about it. */
interface Known extends Change {
  readonly answer: Output;
  readonly verdict: Verdict;
  readonly trace: lane.Trace;
  /** Nobody has asked since the survey. */
  readonly isGuess: boolean;
}

/**
 * Brings changes about in their order, as many in one job as can be foreseen: each script is made from what was heard of its
 * step, and the job hears that again before it runs it. `tell` gets the result of one after another.
 */
export async function bringAbout(visit: Visit, changes: readonly Change[], tell: Tell): Promise<void> {
  for (let rest = changes; rest.length > 0; ) {
    const all = guessed(visit, rest) ?? (await asked(visit, rest));
    const due = all.findIndex((one) => jobOf(one) !== undefined || one.isGuess || one.verdict.is !== 'yes');
    const so = due < 0 ? all : all.slice(0, due);
    for (const { trace, verdict } of so) tell(result(trace.hasReceipt, verdict));
    rest = rest.slice(so.length);
    if (due >= 0) rest = rest.slice(await advance(visit, all.slice(due), tell));
  }
}

/** What the survey has heard, where that is known here and something is to be done. */
function guessed(visit: Visit, changes: readonly Change[]): readonly Known[] | undefined {
  const answers = visit.recall(changes.map(({ state }) => state.probe));
  const all = answers && changes.map((change, n) => knownOf(change, answers[n]!, { hasReceipt: false }, true));
  return all?.some(({ verdict }) => verdict.is === 'no') ? all : undefined;
}

async function asked(visit: Visit, changes: readonly Change[]): Promise<readonly Known[]> {
  const { rollout } = placeOf(changes[0]!.step);
  const [told, ...answers] = await visit.ask([lane.tracing(rollout), ...changes.map(({ state }) => state.probe)]);
  const traces = lane.traced(answered(told!));
  return changes.map((change, n) =>
    knownOf(change, answers[n]!, traces.get(placeOf(change.step).stage) ?? { hasReceipt: false }, false),
  );
}

const knownOf = (change: Change, answer: Output, trace: lane.Trace, isGuess: boolean): Known => ({
  ...change,
  answer,
  verdict: change.state.judge(answer),
  trace,
  isGuess,
});

/** The job in which an attempt of this generation has begun: it is followed to its end, whatever the state is by now. */
function jobOf({ step, trace: { last } }: Known): string | undefined {
  const hasBegun = last?.generation === step.generation && last.end !== 'moved' && last.end !== 'kept';
  return hasBegun ? last.job : undefined;
}

/** Runs one job for the first of these and for as many more as can be, or follows the one that is there. Gives how many have come to something. */
async function advance(visit: Visit, all: readonly Known[], tell: Tell): Promise<number> {
  const [first] = all as readonly [Known, ...Known[]];
  visit.at(first.step);
  const there = jobOf(first);
  if (there === undefined && !first.isGuess && first.verdict.is === 'unknown')
    throw failure('StateUnknown', first.verdict.why);
  const group =
    there === undefined ? together(all) : all.slice(0, all.findLastIndex((one) => jobOf(one) === there) + 1);
  if (group.length === 0) return 0; // a guess that says nothing: it is asked
  const steps = group.map(({ step }) => step);
  visit.begun = group.length - 1;
  // Another name than that of a job which is sure to begin: this one may end before it has done anything.
  const purpose = first.isGuess ? 'guess' : 'apply';
  const job = there ?? visit.keyOf(first.step, purpose);
  const running = there === undefined ? begin(visit, { job, purpose }, group) : visit.follow(job, steps);
  const error: unknown = await running.then(
    () => undefined,
    (failed: unknown) => failed,
  );
  if (error instanceof KeyConflict && first.isGuess) return 0;
  const isBegun = !(error instanceof NoSpace || error instanceof KeyConflict || error instanceof Fenced);
  if (error !== undefined && (visit.stop.aborted || isLoss(error) || !isBegun)) throw error;
  return conclude(visit, group, { job, error }, tell);
}

/** As many as one job can carry out: of each it must be known what to do, and it must be possible to hear the same again. */
function together(all: readonly Known[]): readonly Known[] {
  const isFit = (one: Known, n: number) => {
    if (one.verdict.is === 'unknown' || !('text' in one.state.probe)) return false;
    if (n > 0 && (jobOf(one) !== undefined || settleOf(all[n - 1]!.state) > 0)) return false;
    return (n === 0 && !one.isGuess) || lane.isRepeatable(one.answer);
  };
  const end = all.findIndex((one, n) => !isFit(one, n));
  return end < 0 ? all : all.slice(0, end);
}

async function begin(
  visit: Visit,
  { job, purpose }: { readonly job: string; readonly purpose: 'apply' | 'guess' },
  group: readonly Known[],
): Promise<void> {
  const parts = group.map(({ step, state, answer, verdict, isGuess }, n): lane.Part => {
    return {
      stage: placeOf(step).stage,
      generation: step.generation,
      ...((n > 0 || isGuess) && { guard: { probe: state.probe as Command, heard: answer } }),
      ...(verdict.is === 'no' && changeOf(visit, step, state, verdict)),
    };
  });
  const { step } = group[0]!;
  const script = lane.inOrder(placeOf(step).rollout, job, parts);
  await visit.run(
    step,
    purpose,
    script,
    group.map((one) => one.step),
  );
}

function changeOf(
  { host }: Visit,
  step: Step,
  { operation, args, facts }: State,
  verdict: No,
): Pick<lane.Part, 'change'> {
  const change = operation as Extract<Operation, { apply: unknown }>;
  const undo = change.origin === false ? undefined : undoing(operation, host, args);
  // As they stand in the plan, so that an undo of another build can read them.
  const way = undo && { undoing: { args: JSON.stringify(step.args), undo: hashOf(undo) } };
  return { change: { script: change.apply(host, args, verdict, facts), ...way } };
}

const hashOf = ({ text }: Command) => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** What has become of each step of a job that has ended, by what it has recorded, and by the state. `error`: why it did not end well. */
async function conclude(
  visit: Visit,
  group: readonly Known[],
  { job, error }: { readonly job: string; readonly error: unknown },
  tell: Tell,
): Promise<number> {
  const now = await asked(visit, group);
  const entries = now.map(({ trace: { last } }) => (last?.job === job ? last : undefined));
  for (const [n, { step, state, verdict: shown }] of now.entries()) {
    const end = entries[n]?.end;
    visit.at(step);
    visit.begun = entries.slice(n + 1).filter((entry) => entry && typeof entry.end !== 'string').length;
    if (end === 'kept') {
      tell(result(group[n]!.trace.hasReceipt, group[n]!.verdict));
      continue;
    }
    // It stopped here, since the step's state is another by now: that is for a new job.
    if (end === 'moved' || (n > 0 && entries[n] === undefined && error === undefined)) return n;
    if (error !== undefined && end !== 0 && !(error instanceof JobLost)) throw error;
    // Of a job that was lost with its host, perhaps after its last change, the state is all that tells.
    const verdict = await settled(visit, state, shown);
    if (verdict.is !== 'yes') throw end === 0 || error === undefined ? unmet(verdict) : error;
    tell(result(true, verdict));
    if (end === undefined) return n + 1;
  }
  return group.length;
}

const unmet = (verdict: Parameters<typeof wrong>[0]) =>
  failure('NotConverged', `ran, but it is ${wrong(verdict)}`, { ended: true });

/** A state that may take some time to show after a change is asked for until it has. */
async function settled(visit: Visit, state: State, shown: Verdict): Promise<Verdict> {
  const settle = settleOf(state);
  return shown.is === 'yes' || settle === 0 ? shown : awaitState(visit, state, Date.now() + settle);
}

const settleOf = ({ operation }: State) => ('settle' in operation ? (operation.settle ?? 0) : 0);

export function result(changed: boolean, { facts }: Verdict): Result {
  return facts ? { changed, facts: facts as Readonly<Record<string, string>> } : { changed };
}
