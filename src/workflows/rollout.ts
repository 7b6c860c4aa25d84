import { ApplicationFailure, CancellationScope, CancelledFailure } from '@temporalio/workflow';
import { type Packed, unpack } from '../plan/pack.ts';
import { Account } from './account.ts';
import { Conduct } from './conduct.ts';
import { type Outcome, ROLLOUT_FAILED, type RolloutInput } from './contract.ts';
import { partingOf } from './copy.ts';
import { Hosts } from './hosts.ts';
import { blank, factsOf } from './ledger.ts';
import { explain } from './report.ts';
import { Sites } from './sites.ts';
import { settle, undo } from './undo.ts';

/** Carries out a plan: survey, segment after segment, and what the policy says when a step has failed for good. */
export async function rollout(packed: Packed<RolloutInput>): Promise<Outcome> {
  const plan = unpack(packed.plan);
  const input: RolloutInput = { ...packed, plan };
  const known = factsOf(plan.hosts, input.facts);
  const account = new Account(blank(known));
  const sites = new Sites(input, account);
  const conduct = new Conduct(input, account, sites);

  conduct.become('surveying', 'survey');
  await sites.survey();
  // Nothing has been changed: nothing to undo, and nothing that somebody would have to decide first.
  let ending: Outcome['state'] | undefined = account.stopped === undefined ? undefined : stopOf(account, conduct);

  for (let n = 0; ending === undefined && n < plan.segments.length; ) {
    const { scope, stages: ids } = plan.segments[n]!;
    const stages = sites.stages(ids);
    await conduct.unpaused();
    conduct.become('rolling', stages.map((stage) => stage.title).join(', '));
    account.doubt(stages, known);
    if (account.stopped === undefined) {
      if (scope === 'site') await sites.run(n, stages);
      else await conduct.span(new Hosts(sites.input(stages)));
    }
    if (account.stopped === undefined) n++;
    else {
      const wereParked = account.parked.size > 0;
      if (!(await conduct.triesAgain())) ending = conduct.wantsUndo ? 'undone' : stopOf(account, conduct);
      else if (wereParked) {
        account.beginAgain();
        sites.renew();
        conduct.become('surveying', 'survey');
        await sites.survey();
        n = 0;
      }
    }
  }

  const [wrong] = account.problems;
  if (ending === undefined && plan.purpose === 'verify' && wrong) {
    account.stopped = wrong.message;
    ending = 'failed';
  }
  // From here on a cancellation comes too late: what is begun is brought to its end.
  return CancellationScope.nonCancellable(() => end(ending ?? 'done', input, account, sites, conduct));
}

function stopOf({ stopped }: Account, { isRolledBack }: Conduct): Outcome['state'] {
  if (stopped === 'cancelled') return 'cancelled';
  return isRolledBack ? 'undone' : 'failed';
}

async function end(
  state: Outcome['state'],
  input: RolloutInput,
  account: Account,
  sites: Sites,
  conduct: Conduct,
): Promise<Outcome> {
  const { plan } = input;
  const whole = sites.input(sites.stages());
  let left: readonly string[] = [];
  const { changed } = account;
  if (state === 'undone') {
    conduct.become('undoing', 'undo');
    left = await undo(whole, account);
  }
  await settle(whole, account, partingOf(input, account, { state, left }));
  account.parkRest(whole.stages);
  const { parked, problems, facts } = account;
  const outcome: Outcome = { state, changed, parked: [...parked], problems: bounded(problems), left, facts };
  await conduct.end(outcome);
  if (state === 'done') return outcome;
  if (state === 'cancelled') throw new CancelledFailure('cancelled');
  throw ApplicationFailure.create({
    type: ROLLOUT_FAILED,
    message: explain(account.stopped ?? 'failed', problems, whatNow(outcome, plan.cluster)),
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
