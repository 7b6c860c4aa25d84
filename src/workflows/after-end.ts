import type { ClusterState, Outcome, RunningRollout } from './contract.ts';
import { destroyedAfter } from './destruction.ts';
import { factsAfter } from './facts.ts';
import { withoutFormerKeys } from './former-keys.ts';
import { isVoid, membershipAfter } from './membership.ts';
import { withEnd } from './revisions.ts';

interface End {
  readonly parked: ClusterState['parked'];
  /** It has been ended for another plan. */
  readonly isSuperseded: boolean;
}

/** What is remembered once a rollout has ended. */
export function afterEnd(
  state: ClusterState,
  rollout: RunningRollout,
  outcome: Outcome,
  { parked, isSuperseded }: End,
): ClusterState {
  const { rollout: _, ...rest } = state;
  const { revision, followUp, purpose, repair, keeps: digest = rollout.digest } = rollout;
  if (purpose === 'destroy') return destroyedAfter(rest, rollout, outcome);
  if (purpose !== 'apply') return rest;
  const { facts: _facts, ...last } = outcome;
  const known = {
    ...rest,
    facts: factsAfter(rest, rollout, outcome),
    revisions: withEnd(rest.revisions, revision, last.state),
  };
  // As good as none: a follow-up that has made room, and a repair or a change of hosts that has come to nothing.
  const isNone =
    (followUp === true && isSuperseded && last.state === 'cancelled') ||
    (isVoid(outcome) && (repair || rest.requests?.some((request) => request.revision === revision) === true));
  const { drift: _drift, ...settled } = known;
  const ended = { ...last, revision, digest, ...(followUp && { followUp }) };
  const now = isNone ? known : { ...settled, last: ended, ...(parked && { parked }) };
  const after = membershipAfter(now, rollout, outcome);
  return outcome.state === 'done' ? withoutFormerKeys(after) : after;
}
