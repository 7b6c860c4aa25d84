import { sleep } from '@temporalio/workflow';
import { type HostSpec, roleOf } from '../plan/plan.ts';
import type { Guard } from '../plan/policy.ts';
import type { Account } from './account.ts';
import { clipped, converged, type Failed, failureOf } from './activity.ts';
import type { PlacedStage, SiteInput } from './contract.ts';
import { Patience } from './patience.ts';

/** A service of the cluster that hosts are about to be disturbed of. */
export interface Watched extends Guard {
  /** The check that says how many of its hosts may be away at once. */
  readonly check: PlacedStage;
  /** Hosts of it of which nobody knows whether they serve now. */
  readonly doubtful: readonly string[];
  /** No host of it is beyond reach. */
  readonly isWhole: boolean;
}

/**
 * What watches over hosts that are about to be disturbed. Only what has served can be: a host that is new takes nothing
 * away, nor does one on which this rollout has stopped it.
 */
export function watchedBy(
  stages: readonly PlacedStage[],
  account: Account,
  disturbed: readonly string[],
): readonly Watched[] {
  const halting = stages.filter(({ halts }) => halts);
  const isHalted = (host: string, { operation }: PlacedStage) =>
    halting.some((stage) => roleOf(stage.operation) === roleOf(operation) && account.stateOf(host, stage) === 'done');
  return watch(stages, disturbed, {
    isHalted,
    isThere: (host) => !account.parked.has(host),
    isPassed: (host, check) => account.saidYes(host, check),
    hasServed: (host, check) => hasServed(account, check, host),
  });
}

/** The same for the way back: by what was before this rollout, and with the hosts that people have left out in it. */
export function watchedBack(
  checks: readonly PlacedStage[],
  account: Account,
  disturbed: readonly string[],
): readonly Watched[] {
  return watch(checks, disturbed, {
    isHalted: () => false,
    isThere: (host) => !account.parked.has(host) || account.skipped.has(host),
    isPassed: () => false, // whatever it was, it has been worked on since
    hasServed: (host, check) => account.hadSaidYes(host, check) || hasServed(account, check, host),
  });
}

interface Known {
  readonly isHalted: (host: string, check: PlacedStage) => boolean;
  readonly isThere: (host: string) => boolean;
  readonly isPassed: (host: string, check: PlacedStage) => boolean;
  readonly hasServed: (host: string, check: PlacedStage) => boolean;
}

function watch(stages: readonly PlacedStage[], disturbed: readonly string[], known: Known): readonly Watched[] {
  return stages.flatMap((check) => {
    if (check.spare === undefined) return [];
    const there = check.hosts.filter(known.isThere);
    const has = (host: string) => known.isPassed(host, check) || known.hasServed(host, check);
    const served = there.filter((host) => has(host) && !known.isHalted(host, check));
    const hosts = disturbed.filter((host) => served.includes(host));
    const doubtful = served.filter((host) => !known.isPassed(host, check));
    const isWhole = there.length === check.hosts.length;
    return hosts.length === 0 ? [] : [{ check, hosts, doubtful, isWhole, spare: check.spare }];
  });
}

/** Whether earlier rollouts have learnt anything of its role there. */
function hasServed({ known }: Account, check: PlacedStage, host: string): boolean {
  return Object.entries(known).some(([fact, table]) => roleOf(fact) === roleOf(check.operation) && table[host]);
}

/** How long a host is given that may have been away before anything was done, in milliseconds. */
const DOUBT = 60_000;

/**
 * Waits until a host serves; why not, where it does not in time. The check itself may want what this rollout is only about
 * to bring: then it names another question (`guard`).
 */
export async function serves(
  input: SiteInput,
  account: Account,
  { check }: Watched,
  host: HostSpec,
  limit?: 'doubt',
): Promise<Failed | undefined> {
  const { operation, args, secrets, timeout = check.timeout } = check.guard ?? check;
  const asked = { ...check, operation, args, secrets, timeout: limit ? Math.min(timeout, DOUBT) : timeout };
  const id = isAskedBeside(input, check, operation) ? check.id : operation;
  const call = { host, type: 'host.gate', stages: [{ ...asked, id: `${check.id}.gate` }], id: `${id} (gate)` };
  const patience = new Patience(input.patience);
  for (;;) {
    try {
      await converged(input, account, { ...call, does: `wait for ${operation}` });
      return undefined;
    } catch (error) {
      const failed = failureOf(error, `gate ${operation} on ${host.name}`);
      const wait = failed.cancelled || failed.type === 'GateClosed' ? undefined : patience.next(failed.type);
      if (wait === undefined) return failed;
      await sleep(wait, { summary: clipped(`${host.name}: ask again after ${failed.type}`, 60) });
    }
  }
}

/** Whether a host may be asked the same of another check at the same time, as where it has several services of one role. */
function isAskedBeside({ stages }: SiteInput, check: PlacedStage, operation: string): boolean {
  return stages.some(
    (other) => other.id !== check.id && other.spare !== undefined && (other.guard ?? other).operation === operation,
  );
}

/** Those of the named hosts that do not serve. */
export async function silentAmong(
  input: SiteInput,
  account: Account,
  guard: Watched,
  asked: readonly string[],
): Promise<readonly string[]> {
  const hosts = input.hosts.filter(({ name }) => asked.includes(name));
  const answers = await Promise.all(hosts.map((host) => serves(input, account, guard, host, 'doubt')));
  return hosts.filter((_, n) => answers[n] !== undefined).map(({ name }) => name);
}
