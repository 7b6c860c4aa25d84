import { holding, refused } from './admission.ts';
import { type ClusterState, elsewhere, isPending, type Measure } from './contract.ts';

/** The last apply that ended well, as long as none since has left the hosts as something else. */
export function measureOf(name: string, state: ClusterState, isBeginning: boolean): Measure {
  const { moved, rollout, last, revision: since, parked = {} } = state;
  if (moved) return { skipped: elsewhere(name, moved) };
  if (rollout) return { skipped: holding(name, rollout) };
  if (isBeginning) return { skipped: `a rollout of ${name} is about to begin` };
  if (!last) return { skipped: `nothing has been rolled out onto ${name} yet` };
  const made = lastMade(state);
  if (!made) return { skipped: `revision ${last.revision} has not ended well (${last.state}): apply again` };
  const plan = state.plans?.[made.digest];
  if (!plan) return { skipped: `the plan of revision ${made.revision} is not kept: apply again` };
  return { since, ...made, hosts: plan.hosts.map((host) => host.name), parked };
}

/** What the hosts are by the last word on them: of an apply that was taken back, or that changed nothing, the one before. */
function lastMade({
  last,
  revisions = [],
}: ClusterState): Pick<NonNullable<typeof last>, 'revision' | 'digest'> | undefined {
  if (last?.state === 'done') return { revision: last.revision, digest: last.digest };
  if (last?.state !== 'undone' && last?.changed !== 0) return undefined;
  const before = revisions.findLast(({ state }) => state === 'done');
  return before && { revision: before.revision, digest: before.digest };
}

/** Gives the digest of the plan that is to be carried out once more. It comes after whatever runs or waits. */
export function admitRepair(name: string, state: ClusterState): string {
  const { rollout, queued, drift, last, requests = [] } = state;
  if (rollout) throw refused('RolloutRunning', holding(name, rollout));
  if (queued) throw refused('RolloutRunning', `an apply by ${queued.by} waits for its turn: it comes first`);
  const first = requests.find(isPending);
  if (first) throw refused('RolloutRunning', `a change of hosts by ${first.by} waits for its turn: it comes first`);
  if (!drift || drift.clean)
    throw refused('InvalidRequest', `no drift of ${name} is known: farweave drift looks for it`);
  if (drift.repairable === 0)
    throw refused(
      'InvalidRequest',
      `nothing of the drift of ${name} is mended by a rollout: somebody has to look at it`,
    );
  if (last?.state !== 'done' || last.revision !== drift.revision)
    throw refused(
      'InvalidRequest',
      `revision ${last?.revision ?? state.revision} has not ended well: farweave rollback --to ${drift.revision}, or apply again`,
    );
  if (state.plans?.[last.digest] === undefined)
    throw refused('InvalidRequest', `the plan of revision ${last.revision} is not kept: apply again`);
  return last.digest;
}
