import { expect, it } from 'vitest';
import { type LabState, parseState } from './state.ts';

const state: LabState = {
  version: 1,
  id: 'fw12ab34',
  engine: '',
  source: 'packages',
  block: '10.84',
  sites: ['ams'],
  hosts: [{ name: 'vm0', site: 'ams', address: '10.84.0.11', release: 'trixie', hostKey: 'SHA256:x' }],
  delayMs: 20,
  lossPercent: 0,
  partitions: [['vm0']],
};

it('reads back what was written', () => {
  expect(parseState(JSON.stringify(state))).toEqual(state);
});

it.each([
  ['half a file', JSON.stringify(state).slice(0, 60)],
  ['a state of another version', JSON.stringify({ ...state, version: 2 })],
  ['a state without hosts', JSON.stringify({ ...state, hosts: undefined })],
  ['something else', '[]'],
])('refuses %s and says what to do', (_, text) => {
  expect(() => parseState(text)).toThrow(expect.objectContaining({ hint: expect.stringContaining('lab down') }));
});
