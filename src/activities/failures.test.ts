import { ApplicationFailure } from '@temporalio/common';
import { expect, it } from 'vitest';
import * as ssh from '../ssh/errors.ts';
import type { FailureDetail, FailureType } from './contract.ts';
import { classify, exitFailure, failure, handedOver } from './failures.ts';

const place = { name: 'vm1', address: '10.0.0.1', port: 22 };

it.each<[Error, FailureType, RegExp, Partial<FailureDetail>?]>([
  [new ssh.Unreachable(place, 'refused'), 'Unreachable', /that the host is up/],
  [new ssh.LinkLost(place, 'reset'), 'Unreachable', /Try again/],
  [new ssh.AuthenticationFailed(place, 'denied'), 'AuthenticationFailed', /Check user, password and key/],
  [new ssh.SudoRefused(place, 'denied'), 'AuthenticationFailed', /Check the sudo password/],
  [
    new ssh.HostKeyChanged(place, 'SHA256:a', 'SHA256:b'),
    'HostKeyChanged',
    /farweave hostkeys accept vm1 .* somebody stands in between/,
    { shownKey: 'SHA256:b' },
  ],
  [new ssh.NoSpace(place, 'full'), 'NoSpace', /Free some space/, { ended: true }],
  [new ssh.Fenced(place, 1, 2), 'Superseded', /newer rollout/],
  [new ssh.KeyConflict(place, 'key'), 'CommandFailed', /start a new rollout/, { ended: true }],
  [new ssh.TimedOut(place, 'slow', 'log'), 'CommandFailed', /what it waited for/, { ended: true, log: 'log' }],
  [new ssh.JobLost(place, 'gone', 'log'), 'CommandFailed', /what it left behind/, { ended: true, log: 'log' }],
  [new ssh.ProtocolError(place, 'hello'), 'Unexpected', /login script/],
  [exitFailure(75, 'locked'), 'PackageManagerLocked', /Let the process .* finish/, { ended: true, log: 'locked' }],
  [exitFailure(28, 'full'), 'NoSpace', /Make room/, { ended: true, log: 'full' }],
  [exitFailure(77, '{"id":"b2"}'), 'Owned', /farweave cluster adopt/, { ended: true }],
  [exitFailure(1, 'E: broken'), 'CommandFailed', /The log says/, { ended: true, log: 'E: broken' }],
  [failure('NotConverged', 'absent, not jq'), 'NotConverged', /farweave plan --check/],
  [failure('StateUnknown', 'no answer'), 'StateUnknown', /Nothing was changed/],
  [failure('GateClosed', 'down, not up'), 'GateClosed', /No further host was touched/],
  [failure('UnknownOperation', 'what?'), 'UnknownOperation', /upgrade the workers/],
  [failure('InvalidArguments', 'what?'), 'InvalidArguments', /to the same version/],
  [new TypeError('a fault'), 'Unexpected', /log of the worker/],
])('classifies %s, and says what to do', (error, type, todo, more = {}) => {
  const classified = classify(error, 'pkg.install on vm1');
  expect(classified).toMatchObject({ type, nonRetryable: true });
  expect(classified.message).toMatch(/^pkg\.install on vm1: ./);
  expect(classified.details).toEqual([{ results: [], hint: expect.stringMatching(todo), ...more }]);
});

it('leaves it to whoever knows better to say what to do', () => {
  const { details } = classify(failure('InvalidArguments', 'no zone', { hint: 'Name another.' }), 'x');
  expect(details).toMatchObject([{ hint: 'Name another.' }]);
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
