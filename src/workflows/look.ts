import type { Finding } from '../activities/contract.ts';
import { type Packed, unpack } from '../plan/pack.ts';
import { Account } from './account.ts';
import { failureOf, surveyed } from './activity.ts';
import type { LookInput, LookResult, Problem } from './contract.ts';
import { blank, factsOf } from './ledger.ts';
import { Sites } from './sites.ts';

/** `plan --check`: asks every host, with what would run. Changes nothing, and leaves nothing behind. */
export async function look({ plan: packed, hosts, sealed, facts, owner }: Packed<LookInput>): Promise<LookResult> {
  const plan = unpack(packed);
  const asked = hosts === undefined ? plan.hosts : plan.hosts.filter(({ name }) => hosts.includes(name));
  const account = new Account(blank(factsOf(plan.hosts, facts)));
  const whole = new Sites({ plan, sealed, facts, revision: 0, ...(owner && { owner }) }, account);
  const input = whole.input(whole.stages().filter((stage) => stage.afterChange !== true));
  const findings: Record<string, Record<string, Finding>> = {};
  const problems: Problem[] = [];
  await Promise.all(
    asked.map(async (host) => {
      const stages = input.stages.filter((stage) => stage.hosts.includes(host.name));
      try {
        const result = await surveyed(input, account, { host, stages, does: 'look', id: 'look' }, true);
        findings[host.name] = Object.fromEntries(stages.map(({ id }, n) => [id, result.findings[n]!]));
      } catch (error) {
        const { type, message, hint } = failureOf(error, `look at ${host.name}`);
        problems.push({ host: host.name, type, message, ...(hint !== undefined && { hint }) });
      }
    }),
  );
  return { findings, problems };
}
