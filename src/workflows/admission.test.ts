import { describe, expect, it } from 'vitest';
import { admit, admitFollowUp, admitHostKey, admitRollback, admitWithdrawal, holderOf, holding } from './admission.ts';
import { FRESH } from './carried.ts';
import type { ClusterState, RunningRollout } from './contract.ts';

const running: RunningRollout = {
  revision: 3,
  workflowId: 'rollout:forum:3',
  runId: 'r',
  digest: 'd3',
  purpose: 'apply',
  by: 'ada@laptop',
  since: '2026-11-24T14:05:00.000Z',
  hosts: 3,
};
const { by: _by, since: _since, hosts: _hosts, ...old } = running;

describe('who holds the lock', () => {
  const now = new Date('2026-11-24T15:00:00.000Z');
  it.each([
    [running, 'revision 3 of forum is under way since 14:05 UTC: apply for 3 hosts by ada@laptop'],
    [
      { ...running, state: 'paused' as const, hosts: 1 },
      'revision 3 of forum is paused, begun at 14:05 UTC: apply for 1 host by ada@laptop',
    ],
    [
      { ...running, since: '2026-11-20T14:05:00.000Z' },
      'revision 3 of forum is under way since 2026-11-20 14:05 UTC: apply for 3 hosts by ada@laptop',
    ],
    [old, 'revision 3 of forum is under way (rollout:forum:3)'],
  ])('is said by whom, since when and for what', (rollout, says) => {
    expect(holding('forum', rollout, now)).toBe(says);
  });

  it.each([
    ['nobody', undefined, 'apply', false],
    ['an apply', running, 'apply', true],
    ['a verification', { ...running, purpose: 'verify' as const }, 'verify', false],
    ['a follow-up', { ...running, followUp: true as const }, 'verify', false],
    ['an apply that is stuck, for a mended plan', { ...running, stuck: true }, 'apply', false],
    ['an apply that is stuck, for who only looks', { ...running, stuck: true }, 'verify', true],
  ] as const)('is %s', (_, rollout, purpose, holds) => {
    expect(holderOf(rollout ? { rollout } : {}, { plan: { purpose } }) !== undefined).toBe(holds);
  });
});

const last = { revision: 2, digest: 'd2', state: 'done', changed: 1, parked: ['vm2'], problems: [], left: [] } as const;
const parked = { type: 'Unreachable', message: '', since: '', revision: 2 };
const shown = { ...parked, type: 'HostKeyChanged', shownKey: 'new' };
const revision = { at: '', by: '', hosts: 2, state: 'done', kept: true } as const;
const state: ClusterState = {
  ...FRESH,
  knowledge: { indexes: { vm1: 0, vm2: 1 } },
  last,
  parked: { vm2: parked },
  revisions: [
    { ...revision, revision: 1, digest: 'd1' },
    { ...revision, revision: 2, digest: 'd2' },
  ],
  plans: { d1: { hosts: [{ name: 'vm1', index: 0 }] } as never, d2: { hosts: [{ name: 'vm1', index: 0 }] } as never },
};

describe('what makes no sense now', () => {
  const follow = (more: Partial<ClusterState>, hosts?: string[]) => () =>
    admitFollowUp('forum', { ...state, ...more }, hosts ? { hosts } : {});
  const accept =
    (more: Partial<ClusterState>, fingerprint = 'new') =>
    () =>
      admitHostKey('forum', { ...state, parked: { vm2: shown }, ...more }, { host: 'vm2', fingerprint });
  const back = (more: Partial<ClusterState>, to?: number) => () =>
    admitRollback('forum', { ...state, ...more }, to === undefined ? {} : { revision: to });

  it.each([
    ['a follow-up while a rollout runs', follow({ rollout: running }), 'revision 3 of forum is'],
    ['a follow-up of nobody', follow({ parked: {} }), 'no host of forum is parked'],
    ['a follow-up of one who is not parked', follow({}, ['vm1']), 'not parked: vm1; parked are vm2'],
    ['a follow-up of what failed', follow({ last: { ...last, state: 'failed' } }), 'revision 2 has not ended well'],
    ['a follow-up without a plan', follow({ plans: {} }), 'the plan of revision 2 is not kept'],
    [
      'a follow-up of the skipped',
      follow({ parked: { vm2: { ...parked, type: 'Skipped' } } }),
      'somebody has skipped vm2',
    ],
    ['an unknown host', accept({ parked: {}, knowledge: { indexes: {} } }), 'forum has no host vm2'],
    ['a key that nobody asked about', accept({ parked: { vm2: parked } }), 'no other key than the known one'],
    ['a key that was accepted', accept({ parked: { vm2: { ...shown, acceptedKey: 'new' } } }), 'no other key'],
    ['another key than the shown one', accept({}, 'evil'), 'vm2 shows new, not evil'],
    [
      'a key that is pinned',
      accept({ plans: { d2: { hosts: [{ name: 'vm2', hostKey: 'old' }] } as never } }),
      'cluster.yaml pins the key of vm2',
    ],
    ['going back while a rollout runs', back({ rollout: running }), 'revision 3 of forum is'],
    ['going back to nothing', back({ revisions: [] }), 'remembers no earlier revision with another plan'],
    ['going back to an unknown revision', back({}, 9), 'no plan of revision 9; there are plans of revision 1, 2'],
    [
      'going back to hosts whose place another has',
      back({ knowledge: { indexes: { vm1: 4 } } }),
      'since revision 1 others have the place in the network of vm1',
    ],
    ['withdrawing nothing', () => admitWithdrawal('forum', state), 'no apply of forum waits for its turn'],
    [
      'a verification that waits',
      () => admit('forum', state, { plan: { cluster: 'forum', purpose: 'verify' }, queue: true } as never),
      'only an apply can wait for its turn',
    ],
  ])('is refused: %s', (_, act, says) => {
    expect(act).toThrow(says);
  });

  it('is told from what does', () => {
    expect(follow({})()).toEqual(['vm2']);
    expect(accept({})).not.toThrow();
    expect(back({})()).toMatchObject({ revision: 1 });
    expect(back({ rollout: { ...running, purpose: 'verify' } }, 2)()).toMatchObject({ revision: 2 });
    expect(follow({ parked: { vm2: { ...parked, type: 'Skipped' } } }, ['vm2'])()).toEqual(['vm2']);
  });
});
