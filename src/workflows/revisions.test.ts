import { describe, expect, it } from 'vitest';
import type { Plan } from '../plan/plan.ts';
import { FRESH } from './carried.ts';
import type { ClusterState } from './contract.ts';
import { earlier, withEnd, withRevision } from './revisions.ts';

/** A plan of about so many characters of JSON. */
const planOf = (size: number, purpose: Plan['purpose'] = 'apply') =>
  ({ purpose, hosts: [], outputs: [{ title: '', value: 'x'.repeat(size) }] }) as unknown as Plan;
const entry = (revision: number, digest = `d${revision}`) => ({ revision, at: '', by: '', digest, hosts: 1 });

/** What is kept after some revisions, by size of their plans. */
function after(sizes: readonly number[], state: ClusterState = FRESH) {
  return sizes.reduce<ClusterState>((known, size, n) => {
    const next = { ...known, ...withRevision(known, entry(n + 1), planOf(size)) };
    return { ...next, revisions: withEnd(next.revisions, n + 1, 'done') };
  }, state);
}

describe('plans', () => {
  it.each([
    ['five of them', [10, 10, 10, 10, 10, 10, 10], ['d7', 'd6', 'd5', 'd4', 'd3']],
    ['as many as there is room for', [200_000, 200_000, 200_000], ['d3', 'd2']],
    ['the newest, whatever its size', [10, 600_000], ['d2']],
    ['none before one that had no room', [10, 400_000, 200_000], ['d3']],
  ])('are kept: %s', (_, sizes, kept) => {
    const { plans, revisions } = after(sizes);
    expect(Object.keys(plans!)).toEqual(kept);
    expect(
      revisions!
        .filter((each) => each.kept)
        .map(({ digest }) => digest)
        .toReversed(),
    ).toEqual(kept);
  });

  it('are kept once, however often they were carried out', () => {
    const once = after([10, 10]);
    const again = withRevision(once, entry(3, 'd1'), planOf(10));
    expect(Object.keys(again.plans)).toEqual(['d1', 'd2']);
    expect(earlier(again).map(({ revision }) => revision)).toEqual([2]);
  });

  it('make room for one that waits', () => {
    const waiting = { plan: planOf(400_000) } as never;
    expect(Object.keys(after([160_000, 160_000], { ...FRESH, waiting }).plans!)).toEqual(['d2']);
  });

  it('can be gone back to where they were brought about', () => {
    const state = after([10, 10, 10]);
    expect(earlier({ revisions: withEnd(state.revisions, 2, 'undone') }).map(({ revision }) => revision)).toEqual([1]);
  });
});
