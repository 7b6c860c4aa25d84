import { describe, expect, it } from 'vitest';
import type { ClusterState, Drift } from './contract.ts';
import { admitRepair, measureOf } from './measure.ts';

const drift: Drift = {
  at: '',
  revision: 3,
  clean: false,
  differences: 1,
  repairable: 1,
  hosts: { vm1: ['a.b: absent'] },
};
const rollout = { revision: 4, workflowId: 'rollout:demo:4', runId: '', digest: 'd4', purpose: 'apply' } as const;
const last = { state: 'done', changed: 1, parked: [], problems: [], left: [], revision: 3, digest: 'd3' } as const;
const revision = (n: number, state?: 'done' | 'undone' | 'failed') =>
  ({ revision: n, at: '', by: '', digest: `d${n}`, hosts: 1, ...(state && { state }) }) as const;
const plan = { hosts: [{ name: 'vm1' }] } as never;
const state = (more: Partial<ClusterState> = {}): ClusterState => ({
  version: 1,
  revision: 3,
  knowledge: { indexes: {} },
  facts: {},
  sealed: {},
  events: [],
  last,
  plans: { d3: plan, d2: plan },
  revisions: [revision(2, 'done'), revision(3, 'done')],
  drift,
  ...more,
});

describe('a look for drift', () => {
  const measured = (more: Partial<ClusterState> = {}, isBeginning = false) =>
    measureOf('demo', state(more), isBeginning);
  const by = (n: number, since = 3) => ({ revision: n, digest: `d${n}`, since, hosts: ['vm1'], parked: {} });
  it.each<[string, unknown, unknown]>([
    ['is measured by the last apply', measured(), by(3)],
    [
      'not by one that was taken back',
      measured({ last: { ...last, state: 'undone' }, revisions: [revision(2, 'done'), revision(3, 'undone')] }),
      by(2),
    ],
    [
      'not by one that changed nothing',
      measured({
        last: { ...last, state: 'failed', changed: 0 },
        revisions: [revision(2, 'done'), revision(3, 'failed')],
      }),
      by(2),
    ],
  ])('%s', (_, told, wanted) => expect(told).toEqual(wanted));

  it.each<[string, unknown, RegExp]>([
    ['while a rollout runs', measured({ rollout }), /^revision 4 of demo is under way/],
    ['while one is about to begin', measured({}, true), /about to begin/],
    ['where nothing was rolled out', measured({ last: undefined } as never), /nothing has been rolled out/],
    [
      'where the last apply has failed half-way',
      measured({ last: { ...last, state: 'failed' } }),
      /revision 3 has not ended well \(failed\)/,
    ],
    ['where the plan is gone', measured({ plans: {} }), /plan of revision 3 is not kept/],
    [
      'where the cluster has moved',
      measured({ moved: { at: '2026-01-02T00:00:00Z', by: 'ada' } }),
      /^demo moved on 2026-01-02 by ada/,
    ],
  ])('is left out %s', (_, told, why) => expect(told).toEqual({ skipped: expect.stringMatching(why) as string }));
});

describe('a repair', () => {
  const admit =
    (more: Partial<ClusterState> = {}) =>
    () =>
      admitRepair('demo', state(more));
  it('carries out the last plan', () => expect(admit()()).toBe('d3'));
  it.each<[string, () => string, string]>([
    ['while a rollout runs', admit({ rollout }), 'revision 4 of demo is under way'],
    [
      'before what waits for its turn',
      admit({ queued: { digest: 'd5', by: 'ada', at: '', hosts: 1 } }),
      'an apply by ada waits for its turn: it comes first',
    ],
    [
      'before a change of hosts',
      admit({ requests: [{ id: 'h1', by: 'bob', state: 'waiting' }] } as never),
      'a change of hosts by bob waits',
    ],
    ['of what nobody has found', admit({ drift: undefined } as never), 'no drift of demo is known'],
    ['of nothing', admit({ drift: { ...drift, clean: true } }), 'no drift of demo is known'],
    [
      'of what no rollout mends',
      admit({ drift: { ...drift, repairable: 0 } }),
      'nothing of the drift of demo is mended',
    ],
    [
      'by another plan than the last',
      admit({ last: { ...last, state: 'undone', revision: 4 } }),
      'farweave rollback --to 3',
    ],
    ['without the plan', admit({ plans: {} }), 'is not kept'],
  ])('is refused %s', (_, act, why) => expect(act).toThrow(why));
});
