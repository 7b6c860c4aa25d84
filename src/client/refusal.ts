import {
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Refusal } from '../workflows/contract.ts';
import { EXIT, Failure } from './errors.ts';

const HINTS: Readonly<Record<string, string>> = {
  PlanOutdated: 'Somebody else was quicker: look at the plan again (farweave plan), then apply.',
  RolloutRunning:
    'farweave apply --queue waits for its turn, farweave apply --attach watches what runs, farweave cancel ends it; farweave watch comes back to it later.',
  HostsMissing:
    'farweave cluster spec prints the file as the cluster has it: hosts may have been added since yours was written.',
  Sealed:
    'Seal it again for the workers of this server: farweave secrets seal. Where $FARWEAVE_RECIPIENT is set, it must be theirs.',
  Moved: 'To go on here, export it there, and here: farweave cluster adopt FILE.',
  ClusterKnown: '--force puts what is adopted in the place of what this server knows.',
} satisfies Partial<Record<Refusal, string>>;

/** The cluster's no, in its own words; anything else as it is. */
export function refusal(error: unknown): unknown {
  if (error instanceof WorkflowNotFoundError)
    return new Failure('Nothing is known of this cluster here.', { hint: 'farweave apply begins it.', cause: error });
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)
    return new Failure('The cluster has not answered in time; what was asked may still be done.', {
      hint: 'farweave status says whether it was. If no worker runs: farweave dev up.',
      exitCode: EXIT.unreachable,
      cause: error,
    });
  if (!(error instanceof WorkflowUpdateFailedError) || !(error.cause instanceof ApplicationFailure)) return error;
  const hint = HINTS[error.cause.type ?? ''];
  return new Failure(error.cause.message, { cause: error, ...(hint && { hint }) });
}
