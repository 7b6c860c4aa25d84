import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { AskWindows } from './contract.ts';
import { createActivities } from './index.ts';

const activities = createActivities({
  connect: () => Promise.reject(new Error('no host is asked')),
  roles: [],
  vault: {} as never,
});
const ask = activities['site.windows'] as AskWindows;
const night = { from: '22:00', to: '04:00' };

beforeEach(() => vi.useFakeTimers({ now: Date.UTC(2026, 6, 6, 22, 30), toFake: ['Date'] }));
afterEach(() => vi.useRealTimers());

it('says of each site whether its window is open, and until or from when', async () => {
  const windows = {
    ams: { ...night, timezone: 'Europe/Amsterdam' },
    nyc: { ...night, timezone: 'America/New_York' },
  };
  expect(await ask({ windows })).toEqual({
    ams: { open: true, milliseconds: 3.5 * 3_600_000 },
    nyc: { open: false, milliseconds: 3.5 * 3_600_000 },
  });
});

it('does not try for ever to read a time zone that it does not know', async () => {
  const windows = { ams: { ...night, timezone: 'Europe/Amsterdm' } };
  await expect(ask({ windows })).rejects.toMatchObject({
    type: 'InvalidArguments',
    nonRetryable: true,
    message: 'site ams: the worker knows no time zone Europe/Amsterdm',
  });
});
