import { ActivityFailure, ApplicationFailure, proxyActivities } from '@temporalio/workflow';
import type { FailureType, GenerateSecrets, Sealed } from '../activities/contract.ts';
import type { Packed } from '../plan/pack.ts';
import { DIGEST_KEY, type Plan } from '../plan/plan.ts';
import { refused } from './admission.ts';
import type { ApplyRequest } from './contract.ts';

const { 'secrets.generate': generate } = proxyActivities<{ 'secrets.generate': GenerateSecrets }>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '1 hour',
});

/**
 * The secrets of a plan that are made once in a cluster's life, and that it has not got yet. Refuses what somebody has sealed
 * for other workers than these: no host has been touched yet.
 */
export function generated(
  { plan, sealed: brought, given = [] }: Packed<ApplyRequest>,
  sealed: Sealed,
): Promise<Sealed> {
  const open = Object.fromEntries(Object.entries(brought).filter(([name]) => given.includes(name)));
  return generate({ secrets: missing(plan, sealed), ...(given.length > 0 && { open }) }).catch(unable);
}

function missing(plan: Pick<Plan, 'secrets'>, sealed: Sealed): Parameters<GenerateSecrets>[0]['secrets'] {
  const wanted = {
    ...plan.secrets,
    [DIGEST_KEY]: { from: 'generated', length: 43, alphabet: 'alphanumeric' } as const,
  };
  return Object.fromEntries(
    Object.entries(wanted).flatMap(([secret, source]) => {
      if (source.from !== 'generated' || sealed[secret] !== undefined) return [];
      const { from: _, ...how } = source;
      return [[secret, how] as const];
    }),
  );
}

function unable(error: unknown): never {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  if (cause instanceof ApplicationFailure && cause.type === ('InvalidArguments' satisfies FailureType))
    throw refused('Sealed', cause.message);
  throw refused('InvalidRequest', `the secrets could not be made: ${String(error)}`);
}
