import { expect, it } from 'vitest';
import { factsAfter } from './facts.ts';

const facts = {
  'host.key': { vm0: 'SHA256:a', vm1: 'SHA256:b' },
  'host.key.other': { vm0: 'SHA256:c', vm1: 'SHA256:d' },
};
const after = (
  state: 'done' | 'undone' | 'failed' | 'cancelled',
  { parked = [] as string[], left = [] as string[] } = {},
) => factsAfter({ facts: {} }, {}, { state, parked, left, facts });

it.each(['done', 'undone'] as const)('holds hosts to one key once a rollout is %s', (state) => {
  expect(after(state)).toEqual({ 'host.key': facts['host.key'] });
});

it('knows both keys of a host that was parked while it was given another', () => {
  expect(after('done', { parked: ['vm1'] })).toEqual({ ...facts, 'host.key.other': { vm1: 'SHA256:d' } });
});

it.each(['failed', 'cancelled'] as const)(
  'knows both keys as long as a rollout that has %s may be finished',
  (state) => {
    expect(after(state)).toEqual(facts);
  },
);

it('knows both keys where something could not be taken back', () => {
  expect(after('undone', { left: ['undo of system.hostKey on vm1: it does not answer'] })).toEqual(facts);
});
