import { createHash } from 'node:crypto';
import { ACCESS_KEY, isAccessKey } from '../plan/access-key.ts';
import { type No, type Operation, undoing, type Verdict } from '../roles/operation.ts';
import { type Command, type Output, script } from '../ssh/command.ts';
import { isLoss, JobLost } from '../ssh/errors.ts';
import { retire } from '../ssh/jobs.ts';
import * as marker from '../ssh/marker.ts';
import * as origins from '../ssh/origins.ts';
import * as receipts from '../ssh/receipt.ts';
import * as before from './before.ts';
import type { Activity, Finding, Owner, Result, Sealed, Settle, Step, Survey } from './contract.ts';
import { failure, owned } from './failures.ts';
import { answered, awaitState, describe, type State, wrong } from './state.ts';
import { firstKey, type Tools, type Visit, visiting } from './visit.ts';
import { type Withdrawal, withdrawalOf } from './withdrawal.ts';

/** Carries out what operations describe: ask, judge, leave a receipt, change, ask again. */
export function createPerformer(tools: Tools, operations: ReadonlyMap<string, Operation>) {
  /** All questions of a host in one round trip. With `explain`, what would run to make it so. */
  const survey: Survey = (task) =>
    visiting(
      tools,
      task,
      async (visit) => {
        visit.where = `survey of ${visit.host.name}`;
        const states = task.steps.map(
          (step) => withdrawalOf(operations, visit, step, task.owner) ?? describe(operations, visit, step),
        );
        const hostKey = await visit.hostKey();
        const probes = states.map((state) => state.probe);
        const whose = task.owner ? [marker.asking()] : [];
        const asked = probes.length + whose.length > 0 ? await visit.ask([...probes, ...whose]) : [];
        const answers = asked.slice(0, probes.length);
        refuseOthers(task.owner, asked[probes.length]);
        const explain = task.explain === true;
        return { hostKey, findings: states.map((state, n) => found(visit, state, state.judge(answers[n]!), explain)) };
      },
      { guessing: task.explain === true },
    );

  /** The steps in order, up to the first that fails. */
  const converge: Activity = (task) =>
    visiting(tools, task, async (visit) => {
      const key = await firstKey(visit);
      for (const [n, step] of task.steps.entries()) {
        visit.where = `${step.operation} on ${visit.host.name}`;
        visit.says(step, `${n + 1} of ${task.steps.length}`);
        const withdrawal = withdrawalOf(operations, visit, step, task.owner);
        const { facts, ...rest } = await (withdrawal
          ? takenBack(visit, withdrawal)
          : bringAbout(visit, step, describe(operations, visit, step)));
        const all = { ...(n === 0 && key), ...facts };
        visit.results.push(Object.keys(all).length > 0 ? { ...rest, facts: all } : rest);
      }
      return visit.results;
    });

  /** Asks until the steps hold; what does not within its time is a gate that stays closed. */
  const gate: Activity = (task) =>
    visiting(tools, task, async (visit) => {
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
    visiting(tools, task, async (visit) => {
      for (const step of task.steps) {
        visit.where = `undo of ${step.operation} on ${visit.host.name}`;
        visit.says(step, 'undo');
        const state = describe(operations, visit, step);
        const changed = await takeBack(visit, step, state);
        visit.results.push({ changed, ...(changed && withoutKey(state, task.sealed)) });
      }
      return visit.results;
    });

  const settle: Settle = (task) =>
    visiting(tools, task, async (visit) => {
      visit.where = `settling ${visit.host.name}`;
      const { rollout, over, owner, copy, release } = task;
      await visit.ask([
        origins.keep(rollout),
        before.forget(rollout),
        ...(over === undefined ? [] : [retire(rollout, over)]),
        ...(owner && release ? [marker.release({ ...owner, rollout })] : []),
        ...(owner && copy ? [marker.keep(owner, copy)] : []),
      ]);
    });

  return { survey, converge, gate, undo, settle };
}

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

async function bringAbout(visit: Visit, step: Step, state: State): Promise<Result> {
  const { operation } = state;
  const deadline = Date.now() + step.timeout;
  if (!('apply' in operation)) {
    const verdict = await awaitState(visit, state, operation.kind === 'check' ? deadline : 0);
    if (verdict.is === 'yes') return result(false, verdict);
    throw failure(verdict.is === 'no' ? 'NotConverged' : 'StateUnknown', wrong(verdict));
  }

  const questions = [state.probe, receipts.find(step.receipt), before.asking(step.receipt)];
  const [answer, receipt, noted] = await visit.ask(questions);
  const now = state.judge(answer!);
  const earlier = before.parse(answered(noted!));
  const hasReceipt = answered(receipt!).exitCode === 0;
  const begun = earlier?.generation === step.generation ? earlier.verdict : undefined;
  // Where an attempt of this generation has begun, it is followed to its end, whatever the state is by now.
  if (!begun && now.is === 'yes') return result(hasReceipt, now);
  if (!begun && now.is === 'unknown') throw failure('StateUnknown', now.why);
  const verdict = begun ?? (now as No);

  try {
    await apply(visit, step, state, verdict);
  } catch (error) {
    // Lost with its host, perhaps after its last change: the state decides.
    const after = error instanceof JobLost ? await awaitState(visit, state, 0) : undefined;
    if (after?.is === 'yes') return result(true, after);
    throw error;
  }
  const settle = 'settle' in operation ? (operation.settle ?? 0) : 0;
  const after = await awaitState(visit, state, Date.now() + settle);
  if (after.is === 'yes') return result(true, after);
  throw failure('NotConverged', `ran, but it is ${wrong(after)}`, { ended: true });
}

/** Starts the change, or follows the attempt of the same generation that is there. */
async function apply(visit: Visit, step: Step, { operation, args, facts }: State, verdict: No): Promise<void> {
  if (!('apply' in operation)) return;
  const change = operation.apply(visit.host, args, verdict, facts);
  const noting = before.noting(step.receipt, { generation: step.generation, verdict }, change);
  const undo = undoing(operation, visit.host, args);
  // As they stand in the plan: what a worker of another build makes of them must not make this another job.
  const way = undo && { args: JSON.stringify(step.args), undo: hashOf(undo) };
  await visit.run(step, 'apply', receipts.leave(step.receipt, noting, way));
}

const hashOf = ({ text }: Command) => createHash('sha256').update(text).digest('hex').slice(0, 16);

async function takeBack(visit: Visit, step: Step, state: State): Promise<boolean> {
  const { host } = visit;
  const { operation, args } = state;
  const [receipt, noted] = await visit.ask([receipts.find(step.receipt), before.asking(step.receipt)]);
  const undo = undoing(operation, host, args);
  if (answered(receipt!).exitCode !== 0 || !undo || !('undo' in operation)) return false;
  const earlier = before.parse(answered(noted!));
  // The attempt may still be running, if its worker was lost or its link: not under it. How it ends does not matter.
  if (earlier)
    await apply(visit, { ...step, generation: earlier.generation }, state, earlier.verdict).catch(unlessStopped(visit));
  const back = operation.undo === 'restore' ? [receipts.restore(step.receipt)] : [];
  await visit.run(step, 'undo', script(...back, undo, receipts.drop(step.receipt)));
  return true;
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
  if (verdict.is === 'unknown') return { is, why: visit.redact(verdict.why), ...told };
  const commands =
    explain && 'operation' in state && 'apply' in state.operation
      ? state.operation.apply(visit.host, state.args, verdict, state.facts).text
      : undefined;
  const { now, wanted } = verdict;
  return {
    is,
    now: visit.redact(now),
    wanted: visit.redact(wanted),
    ...told,
    ...('operation' in state && state.operation.fades && { fades: true as const }),
    ...(commands !== undefined && { commands }),
  };
}

function result(changed: boolean, { facts }: Verdict): Result {
  return facts ? { changed, facts: facts as Readonly<Record<string, string>> } : { changed };
}
