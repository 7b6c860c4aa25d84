import { ApplicationFailure, CancellationScope, CancelledFailure } from '@temporalio/workflow';
import { type Packed, unpack } from '../plan/pack.ts';
import { Account } from './account.ts';
import { Bulletin } from './bulletin.ts';
import { Conduct } from './conduct.ts';
import { type Outcome, ROLLOUT_FAILED, type RolloutInput } from './contract.ts';
import { partingOf } from './copy.ts';
import { blank, factsOf } from './ledger.ts';
import { explain } from './report.ts';
import { Sites } from './sites.ts';
import { runAcross } from './spanning.ts';
import { settle, undo } from './undo.ts';
import { type Course, runInWaves } from './waves.ts';

/** Lines about what stays on hosts that leave. */
const LEFT = 100;

/** Carries out a plan: survey, segment after segment, and what the policy says when a step has failed for good. */
export async function rollout(packed: Packed<RolloutInput>): Promise<Outcome> {
  const plan = unpack(packed.plan);
  const input: RolloutInput = { ...packed, plan };
  const account = new Account(blank(factsOf(plan.hosts, input.facts)));
  const sites = new Sites(input, account);
  const bulletin = new Bulletin(input, account, sites);
  const conduct = new Conduct(input, account, sites, bulletin);
  const course = { input, account, sites, bulletin, conduct };
  const left: string[] = [];

  let ending = await conduct.cancellable(() => carryOut(course, left));
  const [wrong] = account.problems;
  if (ending === undefined && plan.purpose === 'verify' && wrong) {
    account.stopped = wrong.message;
    ending = 'failed';
  }
  // From here on a cancellation comes too late: what is begun is brought to its end.
  return CancellationScope.nonCancellable(() => end(ending ?? 'done', course, left));
}

/** Gives how it ended, if not well. `left` takes what could not be taken back on hosts that were given up. */
async function carryOut(course: Course, left: string[]): Promise<Outcome['state'] | undefined> {
  const { input, account, sites, bulletin, conduct } = course;
  const { segments } = input.plan;
  await survey(course);
  // Nothing has been changed: nothing to undo, and nothing that somebody would have to decide first.
  if (account.stopped !== undefined) return stopOf(course);
  const all = sites.stages(segments.flatMap(({ stages }) => stages));
  if (sites.isBusy(all)) await conduct.approved('start');

  for (let n = 0; ; ) {
    if (conduct.takesAlong()) {
      n = 0;
      await surveyAnew(course);
    }
    if (conduct.isEnded) return endOf(course);
    if (n >= segments.length) return undefined;
    const { scope, stages: ids } = segments[n]!;
    const stages = sites.stages(ids);
    await conduct.unpaused();
    bulletin.become('rolling', stages.map((stage) => stage.title).join(', '));
    account.doubt(stages, account.known);
    if (account.stopped === undefined) {
      if (scope === 'site') await runInWaves(course, n, stages);
      else await runAcross(course, n, stages);
    }
    await giveUp(course, left);
    if (account.stopped === undefined) n++;
    else {
      const decision = await conduct.decision(() => giveUp(course, left));
      if (decision === 'end') return endOf(course);
      if (decision === 'anew') {
        n = 0;
        await surveyAnew(course);
      }
    }
  }
}

/** It has stopped, or somebody wants its end though all that ran has ended well. */
function endOf(course: Course): Outcome['state'] {
  course.account.stopped ??= 'cancelled';
  return course.conduct.wantsUndo ? 'undone' : stopOf(course);
}

async function survey({ sites, bulletin }: Course): Promise<void> {
  bulletin.become('surveying', 'survey');
  await sites.survey();
}

/** For hosts that take part again. */
async function surveyAnew(course: Course): Promise<void> {
  course.account.beginAgain();
  course.sites.renew();
  await survey(course);
}

/** Takes back what was changed on hosts that somebody has given up, while the others go on. */
async function giveUp({ input, account, sites, bulletin, conduct }: Course, left: string[]): Promise<void> {
  const given = conduct.takesBack();
  if (given.size === 0 || conduct.isEnded) return;
  const hosts = input.plan.hosts.filter(({ name }) => given.has(name));
  bulletin.become('rolling', `takes back what was changed on ${[...given].join(', ')}`);
  await CancellationScope.nonCancellable(async () =>
    left.push(...(await undo(sites.input(sites.stages(), '', hosts), account, sites))),
  );
}

function stopOf({ account, conduct }: Course): Outcome['state'] {
  if (conduct.wantsUndo && conduct.isEnded) return 'undone';
  return account.stopped === 'cancelled' || conduct.isEnded ? 'cancelled' : 'failed';
}

async function end(state: Outcome['state'], course: Course, leftBefore: readonly string[]): Promise<Outcome> {
  const { input, account, sites, bulletin, conduct } = course;
  bulletin.isEnding = true;
  const whole = sites.input(sites.stages());
  let left = [...leftBefore, ...account.left.slice(0, LEFT)];
  const { changed } = account;
  if (state === 'undone') {
    bulletin.become('undoing', 'undo');
    left = [...left, ...(await undo(whole, account, sites))];
  }
  await settle(whole, account, sites, partingOf(input, account, { state, left }));
  account.parkRest(whole.stages);
  const { problems, facts } = account;
  const leaving = new Set(input.plan.hosts.filter((host) => host.leaving).map(({ name }) => name));
  const parked = [...account.parked].filter((host) => !leaving.has(host));
  const abandoned = [...account.parked].filter((host) => leaving.has(host));
  const outcome: Outcome = {
    state,
    changed,
    parked,
    problems: bounded(problems),
    left,
    ...(abandoned.length > 0 && { abandoned }),
    facts,
  };
  await bulletin.end(outcome);
  if (state === 'done') return outcome;
  // Temporal calls cancelled only what it has itself been asked to cancel.
  if (state === 'cancelled' && !conduct.isEnded) throw new CancelledFailure('cancelled');
  throw ApplicationFailure.create({
    type: ROLLOUT_FAILED,
    message: explain(account.stopped ?? 'failed', problems, whatNow(outcome, input.plan.cluster)),
    details: [outcome],
  });
}

function whatNow({ state, changed, left }: Outcome, cluster: string): string {
  if (left.length > 0) return `Some could not be taken back: ${left.join('; ')}. Mend the cause, then apply again.`;
  if (state === 'undone') return 'All was taken back. Mend the cause, then apply again.';
  if (changed === 0) return 'Nothing was changed. Mend the cause, then apply again.';
  return `What was changed stays. Mend the cause, then apply ${cluster} again: it goes on from there.`;
}

/** Logs of the first few only: the outcome stands in histories and in the cluster's state. */
function bounded(problems: Outcome['problems']): Outcome['problems'] {
  return problems.slice(0, 100).map((problem, n) => {
    if (n < 10) return problem;
    const { log: _, ...rest } = problem;
    return rest;
  });
}
