import { expect, it } from 'vitest';
import type { FailureType } from '../activities/contract.ts';
import { IMPATIENCE, PATIENCE } from './patience.ts';

it.each<[FailureType, number]>([
  ['Unreachable', 170],
  ['AuthenticationFailed', 0],
  ['HostKeyChanged', 0],
  ['PackageManagerLocked', 1_095],
  ['CommandFailed', 25],
  ['NotConverged', 10],
  ['NoSpace', 60],
  ['StateUnknown', 25],
  ['GateClosed', 0],
])('has a plan be patient with %s for %i seconds in all', (type, seconds) => {
  const waits: readonly number[] = Object.entries(PATIENCE).find(([name]) => name === type)![1];
  expect(waits.reduce((sum, wait) => sum + wait, 0) / 1_000).toBe(seconds);
  expect(waits, 'each wait is as long as the one before, or longer').toEqual(waits.toSorted((a, b) => a - b));
});

it('has a verification say what it sees', () => {
  expect(Object.keys(IMPATIENCE)).toEqual(['Unreachable']);
});
