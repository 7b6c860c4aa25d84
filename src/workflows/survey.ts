import { condition } from '@temporalio/workflow';
import type { SurveyResult } from '../activities/contract.ts';
import { BASTION_KEY, HOST_KEY, type HostSpec } from '../plan/plan.ts';
import type { Account } from './account.ts';
import { type Failed, failureOf, surveyed } from './activity.ts';
import type { SiteInput } from './contract.ts';
import { type Look, looks } from './together.ts';

/** One look at every host: what is settled already, and what it publishes. Nothing is changed, so a failure of one does not keep the others from being asked. */
export async function survey(input: SiteInput, account: Account): Promise<void> {
  const there = input.hosts.filter(({ name }) => !account.parked.has(name));
  const first = looks(input, account, there, input.stages);
  await Promise.all(there.map((host) => look(input, account, host, first.get(host.name))));
}

async function look(input: SiteInput, account: Account, host: HostSpec, first: Look | undefined): Promise<void> {
  const stages = input.stages.filter((stage) => stage.hosts.includes(host.name));
  try {
    const { hostKey, bastionKeys = {}, findings } = await patiently(input, account, { host, stages }, first);
    account.publish(host.name, { [HOST_KEY]: hostKey });
    for (const [bastion, key] of Object.entries(bastionKeys)) account.publish(bastion, { [BASTION_KEY]: key });
    for (const [n, stage] of stages.entries()) {
      const { is, facts, why, now, wanted } = findings[n]!;
      account.publish(host.name, facts);
      if (is === 'yes') account.settle(host.name, stage);
      if (stage.kind !== 'preflight') continue;
      if (is === 'yes') account.mark(host.name, stage, 'unchanged');
      else {
        const message = `${stage.operation} on ${host.name}: ${is === 'no' ? `${now}, not ${wanted}` : why}`;
        const type = is === 'no' ? 'NotConverged' : 'StateUnknown';
        // Somebody may have left it out meanwhile.
        const alone = !account.parked.has(host.name);
        account.fail(host.name, stage, { type, message, cancelled: false }, { onFailure: 'pause', alone });
      }
    }
  } catch (error) {
    account.fail(host.name, undefined, failureOf(error, `survey of ${host.name}`), { onFailure: 'pause' });
  }
}

/** Once more for a host that does not answer: it may be restarting. More would keep the others waiting. */
export async function patiently(
  input: SiteInput,
  account: Account,
  asked: Pick<SiteInput, 'stages'> & { readonly host: HostSpec },
  first?: Look,
): Promise<SurveyResult> {
  const { host } = asked;
  const again: Look = () => surveyed(input, account, { ...asked, does: 'survey', id: 'survey' });
  try {
    return await (first ?? again)();
  } catch (error) {
    const { type, cancelled }: Failed = failureOf(error, host.name);
    const [wait] = input.patience[type] ?? [];
    if (wait === undefined || cancelled) throw error;
    await condition(() => account.halted, wait, { summary: `${host.name}: survey again after ${type}` });
    return again();
  }
}
