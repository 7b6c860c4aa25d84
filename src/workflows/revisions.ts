import type { ClusterState, Outcome, Revision } from './contract.ts';

type Kept = Required<Pick<ClusterState, 'revisions' | 'plans' | 'specs'>>;
type Plans = Kept['plans'];

/** Revisions that are remembered, most of them without their plan. */
const REMEMBERED = 20;
/**
 * Plans that are kept, and how much they may hold together with one that waits, in characters of JSON. Large messages travel
 * gzipped, a plan in about a sixth: there is room for two of a thousand hosts, so that one can be gone back to.
 */
const PLANS = 5;
const BYTES = 500_000;

/** With a revision that has begun. The newest plan is kept whatever its size; older ones as far as there is room. */
export function withRevision(
  { revisions = [], plans = {}, specs = {}, wanted, waiting }: Pick<ClusterState, keyof Kept | 'wanted' | 'waiting'>,
  revision: Omit<Revision, 'kept'>,
  plan: Plans[string],
): Kept {
  const all: readonly Revision[] = [...revisions, revision].slice(-REMEMBERED);
  const known: Plans = { ...plans, [revision.digest]: plan };
  let room = BYTES - (waiting ? size(waiting.plan) : 0);
  const kept = new Map<string, Plans[string]>();
  for (const { digest } of all.toReversed()) {
    const own = known[digest];
    if (own === undefined || kept.has(digest)) continue;
    const fits = room >= size(own) && kept.size < PLANS;
    // Those before one that is gone would be found by nobody who counts back.
    if (!fits && kept.size > 0) break;
    kept.set(digest, own);
    room -= size(own);
  }
  return {
    revisions: all.map((each) => marked(each, kept.has(each.digest))),
    plans: Object.fromEntries(kept),
    specs: Object.fromEntries(
      Object.entries(wanted ? { ...specs, [revision.digest]: wanted } : specs).filter(([digest]) => kept.has(digest)),
    ),
  };
}

/** How a revision ended. */
export function withEnd(
  revisions: ClusterState['revisions'] = [],
  revision: number,
  state: Outcome['state'],
): readonly Revision[] {
  return revisions.map((each) => (each.revision === revision ? { ...each, state } : each));
}

/** What there is to go back to: other plans than the latest, which were once brought about. The newest first. */
export function earlier({ revisions = [] }: Pick<ClusterState, 'revisions'>): readonly Revision[] {
  const latest = revisions.at(-1)?.digest;
  return revisions.filter(({ kept, digest, state }) => kept && digest !== latest && state === 'done').toReversed();
}

/** Says of a revision whether its plan is kept. */
export function marked(revision: Revision, isKept: boolean): Revision {
  const { kept: _, ...rest } = revision;
  return isKept ? { ...rest, kept: true } : rest;
}

const size = (plan: Plans[string]) => JSON.stringify(plan).length;
