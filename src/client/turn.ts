import { type ClusterView, type RunningRollout, rolloutId } from '../workflows/contract.ts';
import type { Farweave } from './connection.ts';
import { Failure } from './errors.ts';
import type { Followed } from './follow.ts';
import { count } from './format.ts';
import { looks } from './looks.ts';

interface Waiting {
  readonly cluster: string;
  /** Of the plan that waits. */
  readonly digest: string;
  /** The rollout that it waits for. */
  readonly behind: number;
}

/**
 * Waits until a queued apply has begun, and gives its rollout; undefined where `signal` ends the waiting.
 * `report` is told whom it waits for. Throws a `Failure` where another apply has taken its place, or it was refused.
 */
export async function turnOf(
  farweave: Farweave,
  waiting: Waiting,
  { signal, report }: { readonly signal: AbortSignal; readonly report: (whom: string) => void },
): Promise<Followed | undefined> {
  const { cluster, digest } = waiting;
  for await (const state of looks(farweave, cluster, signal)) {
    const revision = begunIn(state, waiting);
    if (revision !== undefined) return { cluster, revision, workflowId: rolloutId(cluster, revision) };
    if (state?.queued?.digest !== digest) throw lost(state);
    if (state.rollout) report(holder(state.rollout));
  }
  return undefined;
}

/** `revision 3: apply for 3 hosts by ada@laptop`. */
export function holder({ revision, purpose, hosts, by, state }: RunningRollout): string {
  const whose = hosts === undefined || by === undefined ? '' : ` for ${count(hosts, 'host')} by ${by}`;
  return `revision ${revision}: ${purpose}${whose}${state === 'paused' ? ', paused' : ''}`;
}

function begunIn(state: ClusterView | undefined, { digest, behind }: Waiting): number | undefined {
  const all = [...(state?.revisions ?? []), ...(state?.rollout ? [state.rollout] : [])];
  return all.findLast((each) => each.digest === digest && each.revision > behind)?.revision;
}

/** It was refused in the end, withdrawn, or another has taken its place: the events say which. */
function lost(state: ClusterView | undefined): Failure {
  const said = state?.events.findLast(({ what }) => /waits? (no longer|for its turn)|waited|withdrawn/.test(what));
  const details = said ? [`${said.what}${said.by === undefined ? '' : ` (${said.by})`}`] : [];
  return new Failure('This apply waits no longer.', { details, hint: 'farweave status says what happened.' });
}
