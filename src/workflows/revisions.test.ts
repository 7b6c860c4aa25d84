import { describe, expect, it } from 'vitest';
import type { Plan } from '../plan/plan.ts';
import { carried, FRESH } from './carried.ts';
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
    ['as many as there is room for', [50_000, 50_000, 50_000], ['d3', 'd2']],
    ['the newest, whatever its size', [10, 200_000], ['d2']],
    ['none before one that had no room', [10, 100_000, 50_000], ['d3']],
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
    const waiting = { plan: planOf(100_000) } as never;
    expect(Object.keys(after([40_000, 40_000], { ...FRESH, waiting }).plans!)).toEqual(['d2']);
  });

  it('can be gone back to where they were brought about', () => {
    const state = after([10, 10, 10]);
    expect(earlier({ revisions: withEnd(state.revisions, 2, 'undone') }).map(({ revision }) => revision)).toEqual([1]);
  });
});

it('carries over less than what the server warns of, with 300 hosts', () => {
  const hosts = Array.from({ length: 300 }, (_, n) => `vm${n}`);
  const table = Object.fromEntries(hosts.map((host) => [host, 'k'.repeat(50)]));
  const at = '2026-11-24T10:00:00.000Z';
  const problems = hosts.slice(0, 75).map((host, n) => ({
    host,
    type: 'Unreachable',
    message: 'm'.repeat(120),
    ...(n < 10 && { log: 'l'.repeat(4_000) }),
  }));
  const parked = hosts
    .slice(0, 75)
    .map((host) => [host, { type: 'Unreachable', message: 'm'.repeat(120), since: at, revision: 1 }]);
  const state: ClusterState = {
    ...after([10, 10, 10, 90_000]),
    knowledge: { indexes: Object.fromEntries(hosts.map((host, n) => [host, n])) },
    facts: { 'host.key': table, 'wireguard.publicKey': table },
    events: Array.from({ length: 200 }, () => ({ at, what: 'w'.repeat(200) })),
    last: { revision: 4, digest: 'd4', state: 'done', changed: 1, parked: [], problems, left: [] },
    parked: Object.fromEntries(parked),
    waiting: { plan: planOf(60_000) } as never,
  };
  expect(JSON.stringify(state).length).toBeGreaterThan(256 * 1024);
  const kept = carried(state);
  expect(JSON.stringify(kept).length).toBeLessThan(256 * 1024);
  expect(kept).toMatchObject({ parked: state.parked, waiting: state.waiting, facts: state.facts });
  expect(kept.plans).toHaveProperty('d4');
});
