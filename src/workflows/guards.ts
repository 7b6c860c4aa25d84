import type { HostSpec } from '../plan/plan.ts';
import type { Guard } from '../plan/policy.ts';
import type { Account } from './account.ts';
import { converged, type Failed, failureOf } from './activity.ts';
import type { PlacedStage, SiteInput } from './contract.ts';

/** A service of the cluster that hosts are about to be disturbed of. */
export interface Watched extends Guard {
  /** The check that says how many of its hosts may be away at once. */
  readonly check: PlacedStage;
  /** Hosts to be asked before any is disturbed: they did not pass the check, or others are away and these can tell whether that matters. */
  readonly doubtful: readonly string[];
}

/** What watches over hosts that are about to be disturbed. Only what has served can be: a host that is new takes nothing away. */
export function watchedBy(
  checks: readonly PlacedStage[],
  account: Account,
  disturbed: readonly string[],
): readonly Watched[] {
  return checks.flatMap((check) => {
    if (check.spare === undefined) return [];
    const isPassed = (host: string) => account.saidYes(host, check);
    const there = check.hosts.filter((host) => !account.parked.has(host));
    const served = there.filter((host) => isPassed(host) || hasServed(account, check, host));
    const hosts = disturbed.filter((host) => served.includes(host));
    const isWhole = there.length === check.hosts.length;
    const doubtful = isWhole ? served.filter((host) => !isPassed(host)) : served;
    return hosts.length === 0 ? [] : [{ check, hosts, doubtful, spare: check.spare }];
  });
}

/** Whether earlier rollouts have learnt anything of its role there. */
function hasServed({ known }: Account, check: PlacedStage, host: string): boolean {
  return Object.entries(known).some(([fact, table]) => fact.startsWith(`${roleOf(check)}.`) && table[host]);
}

/** `mongodb` of `mongodb.healthy`. */
export const roleOf = ({ operation }: Pick<PlacedStage, 'operation'>) => operation.slice(0, operation.indexOf('.'));

/** How long a host is given that may have been away before anything was done, in milliseconds. */
const DOUBT = 60_000;

/**
 * Waits until a host serves; why not, where it does not in time. Asked by the gate of its role, if there is one: the check
 * itself may want what this rollout is only about to bring.
 */
export async function serves(
  input: SiteInput,
  account: Account,
  { check }: Watched,
  host: HostSpec,
  limit?: 'doubt',
): Promise<Failed | undefined> {
  const own = input.stages.find((stage) => stage.scope !== 'host' && stage.gate && roleOf(stage) === roleOf(check));
  const { operation, args, secrets, timeout = check.timeout } = (own?.scope !== 'host' && own?.gate) || check;
  const asked = { ...check, operation, args, secrets, timeout: limit ? Math.min(timeout, DOUBT) : timeout };
  const call = { host, type: 'host.gate', stages: [{ ...asked, id: `${check.id}.gate` }] };
  try {
    await converged(input, account, { ...call, does: `wait for ${operation}`, id: `${operation} (gate)` });
    return undefined;
  } catch (error) {
    return failureOf(error, `gate ${operation} on ${host.name}`);
  }
}
