import type { HostSpec } from '../plan/plan.ts';
import type { Guard } from '../plan/policy.ts';
import type { Account } from './account.ts';
import { converged, type Failed, failureOf } from './activity.ts';
import type { PlacedStage, SiteInput } from './contract.ts';

/** A check that says how many of its hosts may be away at once, as it concerns hosts that are about to be disturbed. */
export interface Watched extends Guard {
  readonly check: PlacedStage;
  /** Hosts of it that cannot be reached, and so may be away already. */
  readonly away: readonly string[];
}

/** What watches over hosts that are about to be disturbed: only those that served when they were asked can be. */
export function watchedBy(
  checks: readonly PlacedStage[],
  { parked, saidYes }: Served,
  disturbed: readonly string[],
): readonly Watched[] {
  return checks.flatMap((check) => {
    if (check.spare === undefined) return [];
    const hosts = disturbed.filter((host) => check.hosts.includes(host) && saidYes(host, check));
    const away = check.hosts.filter((host) => parked.has(host));
    return hosts.length === 0 ? [] : [{ check, hosts, away, spare: check.spare - away.length }];
  });
}

/** As the account of a rollout has it. */
export const servedBy = (account: Account): Served => ({
  parked: account.parked,
  saidYes: (host, check) => account.saidYes(host, check),
});

interface Served {
  readonly parked: ReadonlySet<string>;
  readonly saidYes: (host: string, check: PlacedStage) => boolean;
}

/** Why hosts may not be disturbed at all, as a failure of the first of them. */
export function forbids(watched: readonly Watched[], held: readonly string[]): Failed {
  const guard = watched.find(({ spare, hosts }) => spare < 1 && hosts.some((host) => held.includes(host)));
  const away = guard?.away.join(', ') ?? '';
  return {
    type: 'GateClosed',
    message: `${guard?.check.operation}: ${away} cannot be reached, so ${held.join(', ')} may not be disturbed`,
    hint: `Bring back ${away}, or leave out those that would be disturbed.`,
    cancelled: false,
  };
}

/** Waits until a host serves again; why not, where it does not in time. */
export async function serves(
  input: SiteInput,
  account: Account,
  check: PlacedStage,
  host: HostSpec,
): Promise<Failed | undefined> {
  const stages = [{ ...check, id: `${check.id}.gate` }];
  const does = `wait for ${check.operation}`;
  try {
    await converged(input, account, { host, type: 'host.gate', stages, does, id: `${check.operation} (gate)` });
    return undefined;
  } catch (error) {
    return failureOf(error, `gate ${check.operation} on ${host.name}`);
  }
}
