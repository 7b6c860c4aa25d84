import { describe, expect, it } from 'vitest';
import type { ClusterState, HostRequest, Outcome, RunningRollout } from './contract.ts';
import { isVoid, membershipAfter, remembered, retracted, withRequest } from './membership.ts';

const outcome = (more: Partial<Outcome> = {}): Outcome => ({
  state: 'done',
  changed: 3,
  parked: [],
  problems: [],
  left: [],
  facts: {},
  ...more,
});
const before = { spec: 'before', hosts: ['vm0', 'vm1'] };
const after = { spec: 'after', hosts: ['vm0'] };
const state = (more: Partial<ClusterState> = {}): ClusterState => ({
  version: 1,
  revision: 2,
  knowledge: { indexes: { vm0: 0, vm1: 1 } },
  facts: { 'host.key': { vm0: 'a', vm1: 'b' } },
  sealed: { 'access.password': 'all', 'access.vm1.password': 'own', 'nodebb.secret': 's' },
  events: [],
  wanted: after,
  former: before,
  fallback: { wanted: before },
  ...more,
});
const asked = { change: { remove: ['vm1'] }, by: 'ada', at: '' };
const rollout: RunningRollout = {
  revision: 2,
  workflowId: 'rollout:forum:2',
  runId: 'r',
  digest: 'd',
  purpose: 'apply',
  leaving: ['vm1'],
};

describe('a rollout has come to nothing', () => {
  it.each([
    ['if it failed before it changed anything', outcome({ state: 'failed', changed: 0 }), true],
    ['if all was taken back', outcome({ state: 'undone' }), true],
    ['not if some of it could not be taken back', outcome({ state: 'undone', left: ['vm1: given up'] }), false],
    ['not if it changed something', outcome({ state: 'cancelled' }), false],
    ['not if nobody knows what it changed', outcome({ state: 'failed', changed: 0, unknown: true }), false],
    ['not if it went well', outcome({ changed: 0 }), false],
  ])('%s', (_, ended, expected) => {
    expect(isVoid(ended)).toBe(expected);
  });
});

describe('when a rollout has ended', () => {
  it('who has left is forgotten, with its key and its login', () => {
    const now = membershipAfter(state(), rollout, outcome());
    expect(now).toMatchObject({ wanted: after, version: 2, leftAt: 2, facts: { 'host.key': { vm0: 'a' } } });
    expect(Object.keys(now.sealed)).toEqual(['access.password', 'nodebb.secret']);
    expect(now.former).toBeUndefined();
    expect(now.fallback).toBeUndefined();
  });

  it('half-way, hosts go on leaving with the next apply', () => {
    expect(membershipAfter(state(), rollout, outcome({ state: 'failed' }))).toMatchObject({
      wanted: after,
      former: before,
      facts: state().facts,
    });
  });

  it('with nothing, the cluster wants what it wanted before, and requests say so', () => {
    const request: HostRequest = { ...asked, id: 'h1', state: 'running', revision: 2 };
    const now = membershipAfter(state({ requests: [request] }), rollout, outcome({ state: 'failed', changed: 0 }));
    expect(now.wanted).toEqual(before);
    expect(now.former).toBeUndefined();
    expect(now.requests).toMatchObject([{ state: 'failed', said: 'failed; the cluster stays as it was' }]);
  });
});

it('gives the key and the login of a host that is replaced to its other name, and all back where nothing came of it', () => {
  const { former: _, fallback: __, ...old } = state({ wanted: before });
  const request = {
    plan: { purpose: 'apply' },
    knowledge: { indexes: { vm0: 0, 'vm1-old': 1, vm1: 2 } },
    sealed: { 'access.vm1.password': 'new' },
    wanted: { spec: 'next', hosts: ['vm0', 'vm1'] },
  } as never;
  const now = remembered(old, request, {}, { from: 'vm1', to: 'vm1-old' });
  expect(now.facts['host.key']).toEqual({ vm0: 'a', 'vm1-old': 'b' });
  expect(now.sealed).toMatchObject({ 'access.vm1-old.password': 'own', 'access.vm1.password': 'new' });
  const back = membershipAfter(now, { ...rollout, leaving: ['vm1-old'] }, outcome({ state: 'undone' }));
  expect(back).toMatchObject({ knowledge: old.knowledge, facts: old.facts, sealed: old.sealed, wanted: before });
  expect(back.version).toBeGreaterThan(now.version);
  expect(retracted(now, old)).toMatchObject({ knowledge: old.knowledge, wanted: before, sealed: old.sealed });
});

it('remembers the last requests that have ended, and all that have not', () => {
  const request = (id: string, how: HostRequest['state']): HostRequest => ({ ...asked, id, state: how });
  const all = Array.from({ length: 30 }, (_, n) => request(`h${n}`, n % 3 === 0 ? 'waiting' : 'done'));
  const kept = all.reduce<ReturnType<typeof withRequest>>((known, one) => withRequest(known, one), []);
  expect(kept.filter((one) => one.state === 'waiting')).toHaveLength(10);
  const more = Array.from({ length: 9 }, (_, n) => request(`g${n}`, 'done')).reduce(withRequest, kept);
  expect(more.filter((one) => one.state === 'done')).toHaveLength(20);
});
