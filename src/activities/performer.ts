import { ACCESS_KEY, isAccessKey } from '../plan/access-key.ts';
import { HOST_KEY } from '../plan/plan.ts';
import { type Operation, undoing, type Verdict } from '../roles/operation.ts';
import { type Output, script, sh } from '../ssh/command.ts';
import { isLoss } from '../ssh/errors.ts';
import { retire } from '../ssh/jobs.ts';
import * as lane from '../ssh/lane.ts';
import * as marker from '../ssh/marker.ts';
import * as origins from '../ssh/origins.ts';
import * as receipts from '../ssh/receipt.ts';
import type { Activity, Finding, Owner, Result, Sealed, Settle, Step, Survey, Task } from './contract.ts';
import { failure, owned } from './failures.ts';
import { bringAbout, type Change, result } from './lane.ts';
import { answered, awaitState, describe, type State, wrong } from './state.ts';
import { keyMet, placeOf, type Tools, type Visit, visiting } from './visit.ts';
import { type Withdrawal, withdrawalOf } from './withdrawal.ts';

/** Carries out what operations describe: ask, judge, leave a receipt, change, ask again. */
export function createPerformer(tools: Tools, operations: ReadonlyMap<string, Operation>) {
  /** All questions of a host in one round trip. With `explain`, what would run to make it so. */
  const survey: Survey = (task) =>
    visiting(
      tools,
      task,
      'survey of',
      async (visit) => {
        const states = task.steps.map(
          (step) => withdrawalOf(operations, visit, step, task.owner) ?? describe(operations, visit, step),
        );
        const hostKey = await visit.hostKey();
        const bastionKeys = await visit.newBastionKeys();
        const met = { hostKey, ...(Object.keys(bastionKeys).length > 0 && { bastionKeys }) };
        const probes = states.map((state) => state.probe);
        const whose = task.owner ? [marker.asking()] : [];
        const asked = probes.length + whose.length > 0 ? await visit.ask([...probes, ...whose]) : [];
        const answers = asked.slice(0, probes.length);
        refuseOthers(task.owner, asked[probes.length]);
        const explain = task.explain === true;
        if (!explain) tools.heard.keep(task, probes, answers);
        return { ...met, findings: states.map((state, n) => found(visit, state, state.judge(answers[n]!), explain)) };
      },
      { guessing: task.explain === true },
    );

  /** The steps in order, up to the first that fails. */
  const converge: Activity = (task) =>
    visiting(tools, task, `${beginning(task)} on`, async (visit) => {
      const key = await keyMet(visit);
      const tell = ({ facts, ...rest }: Result) => {
        const all = { ...(visit.results.length === 0 && key), ...facts };
        visit.results.push(Object.keys(all).length > 0 ? { ...rest, facts: all } : rest);
      };
      for (let n = 0; n < task.steps.length; n = visit.results.length) {
        const step = task.steps[n]!;
        visit.at(step);
        visit.says(step, `${n + 1} of ${task.steps.length}`);
        const withdrawal = withdrawalOf(operations, visit, step, task.owner);
        const changes = withdrawal ? [] : changesOf(operations, visit, task.steps.slice(n));
        if (withdrawal) tell(await takenBack(visit, withdrawal));
        else if (changes.length > 0) await bringAbout(visit, changes, tell);
        else tell(await awaited(visit, step, describe(operations, visit, step)));
      }
      return visit.results;
    });

  /** Asks until the steps hold; what does not within its time is a gate that stays closed. */
  const gate: Activity = (task) =>
    visiting(tools, task, `gate ${beginning(task)} on`, async (visit) => {
      for (const step of task.steps) {
        visit.where = `gate ${step.operation} on ${visit.host.name}`;
        visit.says(step, 'gate');
        const verdict = await awaitState(visit, describe(operations, visit, step), Date.now() + step.timeout);
        if (verdict.is !== 'yes') throw failure('GateClosed', wrong(verdict));
        visit.results.push({ changed: false });
      }
      return visit.results;
    });

  /** Only what this rollout changed: where its receipt is missing there is nothing to take back. */
  const undo: Activity = (task) =>
    visiting(tools, task, `undo of ${beginning(task)} on`, async (visit) => {
      for (const step of task.steps) {
        visit.where = `undo of ${step.operation} on ${visit.host.name}`;
        visit.says(step, 'undo');
        const state = describe(operations, visit, step);
        const changed = await takeBack(visit, step, state);
        visit.results.push({ changed, ...(changed && (await waysBack(visit, state, task.sealed))) });
      }
      return visit.results;
    });

  const settle: Settle = (task) =>
    visiting(tools, task, 'settling', async (visit) => {
      const { rollout, over, owner, copy, release } = task;
      await visit.ask([
        origins.keep(rollout),
        ...(over === undefined ? [] : [retire(rollout, over)]),
        ...(owner && release ? [marker.release({ ...owner, rollout })] : []),
        ...(owner && copy ? [marker.keep(owner, copy)] : []),
      ]);
    });

  return { survey, converge, gate, undo, settle };
}

const beginning = ({ steps: [first] }: Pick<Task, 'steps'>) => first?.operation ?? 'nothing';

/** A host that somebody else has is not even surveyed: what is found there may be part of their cluster. */
function refuseOthers(owner: Owner | undefined, answer: Output | undefined): void {
  const found = answer && marker.parse(answered(answer));
  if (owner && found && found.id !== owner.id) throw owned(found);
}

async function takenBack(visit: Visit, { probe, judge, perform }: Withdrawal): Promise<Result> {
  const [answer] = await visit.ask([probe]);
  const now = judge(answered(answer!));
  return now.is === 'yes' ? { changed: false } : await perform();
}

/** The changes with which these steps begin, up to one that somebody else has to explain. */
function changesOf(
  operations: ReadonlyMap<string, Operation>,
  visit: Visit,
  steps: readonly Step[],
): readonly Change[] {
  const end = steps.findIndex((step) => {
    const operation = operations.get(step.operation);
    return !operation || !('apply' in operation) || !operation.args.safeParse(step.args).success;
  });
  return steps
    .slice(0, end < 0 ? steps.length : end)
    .map((step) => ({ step, state: describe(operations, visit, step) }));
}

/** What cannot be brought about is waited for. */
async function awaited(visit: Visit, step: Step, state: State): Promise<Result> {
  const until = state.operation.kind === 'check' ? Date.now() + step.timeout : 0;
  const verdict = await awaitState(visit, state, until);
  if (verdict.is === 'yes') return result(false, verdict);
  throw failure(verdict.is === 'no' ? 'NotConverged' : 'StateUnknown', wrong(verdict));
}

async function takeBack(visit: Visit, step: Step, state: State): Promise<boolean> {
  const { host } = visit;
  const { operation, args } = state;
  const { rollout, stage } = placeOf(step);
  const [told] = await visit.ask([lane.tracing(rollout)]);
  const trace = lane.traced(answered(told!)).get(stage);
  const undo = undoing(operation, host, args);
  if (trace?.hasReceipt !== true || !undo || !('undo' in operation)) return false;
  // The attempt may still be running, if its worker was lost or its link: not under it. How it ends does not matter.
  const { last } = trace;
  if (last && last.end === undefined) await visit.follow(last.job, [step]).then(() => {}, unlessStopped(visit));
  const back = operation.undo === 'restore' ? [receipts.restore(step.receipt)] : [];
  await visit.run(
    step,
    'undo',
    script(
      ...back,
      sh`(
${undo}
)`,
      receipts.drop(step.receipt),
    ),
  );
  return true;
}

/** What is known anew of the way in, where what was taken back is part of it. */
async function waysBack(visit: Visit, state: State, sealed: Sealed): Promise<Pick<Result, 'facts'>> {
  const { operation } = state;
  if (!('apply' in operation) || !operation.keyInPlace) return withoutKey(state, sealed);
  const [answer] = await visit.ask([operation.keyInPlace()]);
  return { facts: { [HOST_KEY]: answered(answer!).stdout.trim() } };
}

/** Where the key was taken away that let us in, the one before it does again. */
function withoutKey({ operation, args }: State, sealed: Sealed): Pick<Result, 'facts'> {
  const key = 'admits' in operation ? operation.admits?.(args) : undefined;
  if (key === undefined) return {};
  const others = Object.keys(sealed).filter((name) => isAccessKey(name) && name !== key);
  return { facts: { [ACCESS_KEY]: others.at(-1) ?? '' } };
}

function unlessStopped({ stop }: Visit): (error: unknown) => void {
  return (error) => {
    if (stop.aborted || isLoss(error)) throw error;
  };
}

function found(visit: Visit, state: State | Withdrawal, verdict: Verdict, explain: boolean): Finding {
  const { is, facts } = verdict;
  const told = facts && { facts: facts as Readonly<Record<string, string>> };
  if (verdict.is === 'yes') return { is, ...told };
  if (verdict.is === 'unknown') return { is, why: verdict.why, ...told };
  const commands =
    explain && 'operation' in state && 'apply' in state.operation
      ? state.operation.apply(visit.host, state.args, verdict, state.facts).text
      : undefined;
  const { now, wanted } = verdict;
  return {
    is,
    now,
    wanted,
    ...told,
    ...('operation' in state && state.operation.fades && { fades: true as const }),
    ...(commands !== undefined && { commands }),
  };
}
