import { isAccessKey } from '../plan/access-key.ts';
import { type ClusterState, isOver, type Outcome, type RunningRollout } from './contract.ts';

/** What is known of a cluster that is about to be taken away: nothing is to bring its hosts back to what they were in it. */
export function condemned(state: ClusterState): ClusterState {
  const { last: _, parked: __, revisions: ___, plans: ____, specs: _____, fallback: ______, ...known } = state;
  const { queued: _queued, waiting: _waiting, drift: _drift, ...rest } = known;
  return { ...rest, ...withdrawn(rest) };
}

function withdrawn({ requests }: Pick<ClusterState, 'requests'>): Pick<ClusterState, 'requests'> {
  const said = 'the cluster was destroyed first';
  const over = requests?.map((each) => (isOver(each) ? each : { ...each, state: 'withdrawn' as const, said }));
  return over ? { requests: over } : {};
}

/**
 * What is known once it has gone. Where all hosts were given up, no more than its events; and, if its data is still there, the
 * passwords and places in the network without which nobody could use that again.
 */
export function destroyedAfter(
  state: ClusterState,
  { by = '', erases }: Pick<RunningRollout, 'by' | 'erases'>,
  { state: end, abandoned = [] }: Pick<Outcome, 'state' | 'abandoned'>,
  at = new Date().toISOString(),
): ClusterState {
  if (end !== 'done') return { ...state, ...withdrawn(state) };
  const destroyed = {
    at,
    by,
    ...((erases || state.destroyed?.data) && { data: true as const }),
    ...(abandoned.length > 0 && { left: abandoned }),
  };
  if (abandoned.length > 0) return { ...state, ...withdrawn(state), destroyed };
  const { wanted: _, former: __, owner: ___, ...rest } = state;
  const { sealed } = state;
  // No host has the cluster's key any more.
  const kept = Object.fromEntries(Object.entries(sealed).filter(([name]) => !isAccessKey(name)));
  const forgotten = erases ? { knowledge: { indexes: {} }, sealed: {} } : { sealed: kept };
  return { ...rest, ...withdrawn(rest), facts: {}, version: state.version + 1, destroyed, ...forgotten };
}
