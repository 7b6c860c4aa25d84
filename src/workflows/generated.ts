import { proxyActivities } from '@temporalio/workflow';
import type { GenerateSecrets, Sealed } from '../activities/contract.ts';
import { DIGEST_KEY, type Plan } from '../plan/plan.ts';
import { refused } from './admission.ts';

const { 'secrets.generate': generate } = proxyActivities<{ 'secrets.generate': GenerateSecrets }>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '1 hour',
});

/** The secrets of a plan that are made once in a cluster's life, and that it has not got yet. */
export function generated(plan: Pick<Plan, 'secrets'>, sealed: Sealed): Promise<Sealed> {
  return generate({ secrets: missing(plan, sealed) }).catch(unable);
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
  throw refused('InvalidRequest', `the secrets could not be made: ${String(error)}`);
}
