import { ApplicationFailure } from '@temporalio/common';
import { expect, it } from 'vitest';
import * as ssh from '../ssh/errors.ts';
import { classify, exitFailure, failure, handedOver } from './failures.ts';

const place = { name: 'vm1', address: '10.0.0.1', port: 22 };

it.each([
  [new ssh.Unreachable(place, 'refused'), 'Unreachable', undefined],
  [new ssh.LinkLost(place, 'reset'), 'Unreachable', undefined],
  [new ssh.AuthenticationFailed(place, 'denied'), 'AuthenticationFailed', undefined],
  [new ssh.SudoRefused(place, 'denied'), 'AuthenticationFailed', undefined],
  [new ssh.HostKeyChanged(place, 'a', 'b'), 'HostKeyChanged', undefined],
  [new ssh.NoSpace(place, 'full'), 'NoSpace', true],
  [new ssh.Fenced(place, 1, 2), 'Superseded', undefined],
  [new ssh.KeyConflict(place, 'key'), 'Unexpected', true],
  [new ssh.TimedOut(place, 'slow', 'log'), 'CommandFailed', true],
  [new ssh.JobLost(place, 'gone', 'log'), 'CommandFailed', true],
  [exitFailure(75, 'locked'), 'PackageManagerLocked', true],
  [exitFailure(28, 'full'), 'NoSpace', true],
  [exitFailure(1, 'E: broken'), 'CommandFailed', true],
  [exitFailure(77, '{"id":"b2"}'), 'Owned', true],
  [new TypeError('a fault'), 'Unexpected', undefined],
])('classifies %s', (error, type, ended) => {
  const classified = classify(error, 'pkg.install on vm1');
  expect(classified).toMatchObject({ type, nonRetryable: true });
  expect(classified.message).toMatch(/^pkg\.install on vm1: /);
  const [detail] = classified.details as [{ ended?: boolean }];
  expect(detail.ended).toBe(ended);
});

it('tells the end of the log with control characters made visible, and what had been done', () => {
  const log = Array.from({ length: 60 }, (_, n) => `line ${n}\u001b[31m`).join('\n');
  const { message, details } = classify(exitFailure(3, log), 'x on vm1', { results: [{ changed: true }] });
  expect(message).toBe(String.raw`x on vm1: exit code 3: line 59\x1b[31m`);
  const [detail] = details as [{ log: string; results: unknown }];
  expect(detail.log.split('\n')).toHaveLength(40);
  expect(detail.log).not.toContain('\u001b');
  expect(detail.results).toEqual([{ changed: true }]);
});

it('takes secrets out of message and log', () => {
  const { message, details } = classify(exitFailure(1, 'password=canary'), 'x', {}, (shown) =>
    shown.replaceAll('canary', '***'),
  );
  expect(JSON.stringify([message, details])).not.toContain('canary');
});

it('leaves a failure alone that another worker is to try again', () => {
  const again = handedOver();
  expect(classify(again, 'x')).toBe(again);
  expect(classify(failure('StateUnknown', 'why'), 'x')).toBeInstanceOf(ApplicationFailure);
});
