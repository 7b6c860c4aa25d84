import { condition } from '@temporalio/workflow';
import type { Finding } from '../activities/contract.ts';
import type { HostSpec } from '../plan/plan.ts';
import type { Account } from './account.ts';
import { failureOf, surveyed } from './activity.ts';
import type { PlacedStage, SiteInput } from './contract.ts';

/**
 * Where to do what is done once only, and nobody had done at the survey. All are asked now, in case one has since;
 * as long as one of them cannot be asked, nobody is chosen: that one may have it.
 */
export async function findOne(
  input: SiteInput,
  account: Account,
  stage: PlacedStage,
  eligible: readonly HostSpec[],
): Promise<HostSpec | undefined> {
  const parked = eligible.find((host) => account.parked.has(host.name));
  if (parked) return refuse(input, account, stage, parked, 'is parked, and may have it done already');
  if (eligible.length <= 1) return eligible[0];
  for (let attempt = 0; account.stopped === undefined && !account.halted; attempt++) {
    const found = await Promise.all(eligible.map((host) => ask(input, account, stage, host)));
    const has = found.findIndex((finding) => finding.is === 'yes');
    if (has >= 0) {
      account.finish(eligible[has]!.name, [stage], [{ changed: false, facts: found[has]?.facts ?? {} }]);
      return eligible[has];
    }
    const doubtful = found.findIndex((finding) => finding.is === 'unknown');
    if (doubtful < 0) return eligible[0];
    const wait = input.patience.StateUnknown?.[attempt];
    const why = `may have it done already: ${found[doubtful]?.why}`;
    if (wait === undefined) return refuse(input, account, stage, eligible[doubtful]!, why);
    await condition(() => account.stopped !== undefined, wait, { summary: `${stage.title}: ask again` });
  }
  return undefined;
}

async function ask(input: SiteInput, account: Account, stage: PlacedStage, host: HostSpec): Promise<Finding> {
  const call = { host, stages: [stage], does: `who has it: ${stage.title}`, id: `${stage.operation}?` };
  try {
    const { findings } = await surveyed(input, account, call);
    return findings[0] ?? { is: 'unknown', why: 'no answer' };
  } catch (error) {
    const { message, cancelled } = failureOf(error, host.name);
    if (cancelled) account.stopped ??= 'cancelled';
    return { is: 'unknown', why: message };
  }
}

function refuse(input: SiteInput, account: Account, stage: PlacedStage, host: HostSpec, why: string): undefined {
  const failed = {
    type: 'StateUnknown',
    message: `${stage.operation} is done once only, and ${host.name} ${why}`,
    hint: 'Bring this host back, or take it out of the cluster.',
    cancelled: false,
  };
  account.fail(host.name, stage, failed, { ...input, alone: true });
}
