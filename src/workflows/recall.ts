import type { Recalled } from '../activities/contract.ts';
import type { HostSpec } from '../plan/plan.ts';
import { Account } from './account.ts';
import { failureOf, type Ground, recalled } from './activity.ts';
import type { Problem, RecallInput, RecallResult } from './contract.ts';
import { blank } from './ledger.ts';

/** Asks every host whose it is, and one for the newest copy of the cluster. Changes nothing. */
export async function recall({ cluster, hosts, bastions, sealed }: RecallInput): Promise<RecallResult> {
  const account = new Account(blank({}));
  const ground: Ground = { cluster, revision: 0, rollout: '', fence: 0, sealed, ...(bastions && { bastions }) };
  const known: Record<string, Recalled> = {};
  const problems: Problem[] = [];
  const ask = async (host: HostSpec, copy: boolean): Promise<Recalled | undefined> => {
    try {
      return await recalled(ground, account, host, copy);
    } catch (error) {
      const { type, message, hint } = failureOf(error, `owner of ${host.name}`);
      problems.push({ host: host.name, type, message, ...(hint !== undefined && { hint }) });
    }
  };
  const note = async (host: HostSpec) => {
    const answer = await ask(host, false);
    if (answer) known[host.name] = answer;
  };
  await Promise.all(hosts.map(note));

  const revisionOf = ({ name }: HostSpec) => known[name]?.revision ?? -1;
  const keepers = hosts.filter((host) => known[host.name]?.owner?.cluster === cluster && revisionOf(host) >= 0);
  for (const host of keepers.toSorted((one, other) => revisionOf(other) - revisionOf(one))) {
    const newest = await ask(host, true);
    if (newest?.copy !== undefined) return { hosts: known, copy: newest.copy, problems };
  }
  return { hosts: known, problems };
}
