import { ACCESS_KEY, currentKey, isAccessKey } from '../plan/access-key.ts';
import type { ClusterState } from './contract.ts';

/** Keys that no host lets Farweave in by any more are forgotten. One that is parked keeps its own until it comes back. */
export function withoutFormerKeys<State extends Pick<ClusterState, 'sealed' | 'facts' | 'knowledge'>>(
  state: State,
): State {
  const used = new Set([currentKey(state.knowledge), ...Object.values(state.facts[ACCESS_KEY] ?? {})]);
  const kept = Object.entries(state.sealed).filter(([name]) => !isAccessKey(name) || used.has(name));
  return { ...state, sealed: Object.fromEntries(kept) };
}
