import { describe, expect, it } from 'vitest';
import { awaited, isQuestion, parkedBy, restAfter, skipped } from './parked.ts';

const now = new Date('2026-11-24T12:00:00.000Z');
const before = '2026-11-24T10:00:00.000Z';
const unreachable = { type: 'Unreachable', message: 'vm2: connection refused', since: before, revision: 3 };
const problem = (type: string, more: object = {}) => ({ host: 'vm2', type, message: 'so it is', ...more });

describe('whom a rollout leaves out', () => {
  it.each([
    ['for the first time', {}, {}, problem('Unreachable'), { type: 'Unreachable', since: now.toISOString() }],
    ['for the same reason as before', {}, { vm2: unreachable }, problem('Unreachable'), { since: before, revision: 4 }],
    ['for another reason', {}, { vm2: unreachable }, problem('CommandFailed'), { since: now.toISOString() }],
    ['without a word', {}, { vm2: unreachable }, undefined, { type: 'Unreachable', since: before }],
    [
      'with another key',
      {},
      {},
      problem('HostKeyChanged', { shownKey: 'SHA256:new' }),
      { type: 'HostKeyChanged', shownKey: 'SHA256:new' },
    ],
    [
      'with a key that was accepted meanwhile',
      {},
      { vm2: { ...unreachable, type: 'HostKeyChanged', shownKey: 'SHA256:new', acceptedKey: 'SHA256:new' } },
      problem('HostKeyChanged', { shownKey: 'SHA256:new' }),
      { acceptedKey: 'SHA256:new' },
    ],
    [
      'though it had answered',
      { revisits: ['vm2'] },
      { vm2: { ...unreachable, again: 1 } },
      problem('Unreachable'),
      { again: 2, notBefore: '2026-11-24T12:02:00.000Z' },
    ],
  ])('is remembered: %s', (_, rollout, had, why, is) => {
    const outcome = { parked: ['vm2'], problems: why ? [why] : [] };
    expect(parkedBy({ revision: 4, ...rollout }, outcome, had, now)['vm2']).toMatchObject(is);
  });

  it.each([
    ['keeps who was parked before where it was for a part of the plan', true, ['vm2', 'vm3']],
    ['takes everybody along who answers where it was for all of it', undefined, ['vm3']],
  ] as const)('%s', (_, part, hosts) => {
    const outcome = { parked: ['vm3'], problems: [] };
    const now = parkedBy({ revision: 4, ...(part && { part }) }, outcome, { vm2: unreachable });
    expect(Object.keys(now)).toEqual(hosts);
    expect(now['vm2']).toEqual(part && unreachable);
  });

  it('is what somebody said who left it out, whatever came of what still ran there; a key it showed stays a question', () => {
    const problems = [
      problem('HostKeyChanged', { shownKey: 'SHA256:new' }),
      problem('Skipped'),
      problem('Unreachable'),
    ];
    const { vm2 } = parkedBy({ revision: 4 }, { parked: ['vm2'], problems }, {}, now);
    expect(vm2).toMatchObject({ type: 'Skipped', shownKey: 'SHA256:new' });
    expect(isQuestion(vm2!)).toBe(true);
  });

  it('asks once more where another key than the accepted one is shown', () => {
    const had = { ...unreachable, type: 'HostKeyChanged', shownKey: 'a', acceptedKey: 'a' };
    const outcome = { parked: ['vm2'], problems: [problem('HostKeyChanged', { shownKey: 'b' })] };
    expect(isQuestion(parkedBy({ revision: 4 }, outcome, { vm2: had }, now)['vm2']!)).toBe(true);
  });
});

it.each([
  [1, 1],
  [2, 2],
  [3, 4],
  [6, 32],
  [7, 60],
  [100, 60],
])('lets a host go after %i follow-ups in vain for %i minutes', (again, minutes) => {
  expect(restAfter(again)).toBe(minutes * 60_000);
});

describe('who is waited for', () => {
  const last = { revision: 3, digest: 'd', state: 'done', changed: 1, parked: [], problems: [], left: [] } as const;
  const state = {
    version: 1,
    revision: 3,
    knowledge: { indexes: {} },
    facts: {},
    sealed: {},
    events: [],
    last,
    plans: { d: {} as never },
  };
  const later = { ...unreachable, notBefore: '2026-11-24T12:04:00.000Z' };
  const changed = { ...unreachable, type: 'HostKeyChanged', shownKey: 'a' };

  it.each([
    ['whom nobody could reach', { vm2: unreachable }, { due: ['vm2'], next: undefined }],
    ['whose rest is over', { vm2: { ...unreachable, notBefore: before } }, { due: ['vm2'], next: undefined }],
    ['nobody yet who rests', { vm2: later }, { due: [], next: Date.parse(later.notBefore) }],
    ['nobody whom a person skipped', { vm2: { ...unreachable, type: 'Skipped' } }, { due: [], next: undefined }],
    ['nobody on whom a step failed', { vm2: { ...unreachable, type: 'CommandFailed' } }, { due: [], next: undefined }],
    ['nobody with an unknown key', { vm2: changed }, { due: [], next: undefined }],
    ['whose key was accepted', { vm2: { ...changed, acceptedKey: 'a' } }, { due: ['vm2'], next: undefined }],
  ])('is %s', (_, parked, is) => {
    expect(awaited({ ...state, parked }, now.getTime())).toEqual(is);
  });

  it('is nobody where the last rollout did not end well, or its plan is not kept', () => {
    const parked = { vm2: unreachable };
    const failed = { ...state, parked, last: { ...last, state: 'failed' as const } };
    expect(awaited(failed, 0).due).toEqual([]);
    expect(awaited({ ...state, parked, plans: {} }, 0).due).toEqual([]);
  });

  it('is left out by a follow-up if skipped, unless it is named', () => {
    const parked = { vm2: { ...unreachable, type: 'Skipped' }, vm3: unreachable };
    expect(skipped({ parked })).toEqual(['vm2']);
    expect(skipped({ parked }, ['vm2'])).toEqual([]);
  });
});
