import { describe, expect, it } from 'vitest';
import type { Window } from './plan.ts';
import { opening } from './window.ts';

/** `mon 22:00-04:00 Europe/Berlin`; days are optional. */
function window(text: string): Window {
  const [, named = '', from = '', to = '', timezone = ''] = /^(?:([\w,]+) )?(\S+)-(\S+) (\S+)$/.exec(text) ?? [];
  const days = named
    .split(',')
    .filter(Boolean)
    .map((day) => ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'].indexOf(day));
  return { timezone, from, to, ...(days.length > 0 && { days }) };
}

/** `open for 2h 30m` or `opens in 45m`. */
function told(text: string, at: string): string {
  const { open, milliseconds } = opening(window(text), new Date(at));
  const seconds = milliseconds / 1000;
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const parts = [hours && `${hours}h`, minutes && `${minutes}m`, rest && `${rest}s`].filter(Boolean);
  return `${open ? 'open for' : 'opens in'} ${parts.join(' ')}`;
}

// 2026-07-06 is a Monday. Amsterdam is two hours ahead in summer, one in winter.
describe.each<[string, readonly (readonly [window: string, at: string, told: string])[]]>([
  [
    'by the clock of its zone',
    [
      ['09:00-17:00 UTC', '2026-07-06T08:59:59.500Z', 'opens in 0.5s'],
      ['09:00-17:00 UTC', '2026-07-06T09:00:00Z', 'open for 8h'],
      ['09:00-17:00 UTC', '2026-07-06T16:59:59Z', 'open for 1s'],
      ['09:00-17:00 UTC', '2026-07-06T17:00:00Z', 'opens in 16h'],
      ['09:00-17:00 Europe/Amsterdam', '2026-07-06T08:00:00Z', 'open for 7h'],
      ['09:00-17:00 Europe/Amsterdam', '2026-01-05T08:00:00Z', 'open for 8h'],
      ['09:00-17:00 America/New_York', '2026-07-06T12:30:00Z', 'opens in 30m'],
      ['09:00-17:00 Asia/Kathmandu', '2026-07-06T03:15:00Z', 'open for 8h'],
      ['09:00-17:00 Pacific/Kiritimati', '2026-07-05T19:00:00Z', 'open for 8h'],
      ['09:00-17:00 Pacific/Pago_Pago', '2026-07-06T20:00:00Z', 'open for 8h'],
    ],
  ],
  [
    'past midnight',
    [
      ['22:00-04:00 UTC', '2026-07-06T21:00:00Z', 'opens in 1h'],
      ['22:00-04:00 UTC', '2026-07-06T23:00:00Z', 'open for 5h'],
      ['22:00-04:00 UTC', '2026-07-07T03:59:00Z', 'open for 1m'],
      ['22:00-04:00 UTC', '2026-07-07T04:00:00Z', 'opens in 18h'],
      ['22:00-00:00 UTC', '2026-07-06T23:00:00Z', 'open for 1h'],
      ['00:00-04:00 UTC', '2026-07-06T23:00:00Z', 'opens in 1h'],
    ],
  ],
  [
    'on its days',
    [
      ['mon 09:00-17:00 UTC', '2026-07-06T10:00:00Z', 'open for 7h'],
      ['mon 09:00-17:00 UTC', '2026-07-06T17:00:00Z', 'opens in 160h'],
      ['tue,wed 09:00-17:00 UTC', '2026-07-06T10:00:00Z', 'opens in 23h'],
      // Friday's goes on into Saturday, and Saturday has none.
      ['fri 22:00-04:00 UTC', '2026-07-11T03:00:00Z', 'open for 1h'],
      ['fri 22:00-04:00 UTC', '2026-07-11T23:00:00Z', 'opens in 143h'],
      ['sat 22:00-04:00 UTC', '2026-07-11T03:00:00Z', 'opens in 19h'],
      // It is Monday in Auckland, and Sunday still in Greenwich.
      ['mon 09:00-17:00 Pacific/Auckland', '2026-07-05T22:00:00Z', 'open for 7h'],
      ['sun 09:00-17:00 Pacific/Auckland', '2026-07-05T22:00:00Z', 'opens in 143h'],
    ],
  ],
  [
    'that begins when it ends: the whole day and night',
    [
      ['mon 00:00-00:00 UTC', '2026-07-06T12:00:00Z', 'open for 12h'],
      ['mon 00:00-00:00 UTC', '2026-07-07T00:00:00Z', 'opens in 144h'],
      ['sat,sun 00:00-00:00 UTC', '2026-07-11T12:00:00Z', 'open for 36h'],
      ['mon 08:00-08:00 UTC', '2026-07-07T07:00:00Z', 'open for 1h'],
      ['12:00-12:00 UTC', '2026-07-06T12:00:00Z', 'open for 384h'],
      ['12:00-12:00 UTC', '2026-07-06T11:59:00Z', 'open for 384h 1m'],
    ],
  ],
  [
    'in a night that lacks an hour', // Berlin, 2026-03-29: 02:00 is 03:00
    [
      ['22:00-04:00 Europe/Berlin', '2026-03-28T21:00:00Z', 'open for 5h'],
      ['22:00-06:00 Europe/Berlin', '2026-03-29T00:59:00Z', 'open for 3h 1m'],
      // It would open at 02:30: the hands jump over it at 01:00Z.
      ['02:30-04:00 Europe/Berlin', '2026-03-29T00:30:00Z', 'opens in 30m'],
      ['02:30-04:00 Europe/Berlin', '2026-03-29T01:00:00Z', 'open for 1h'],
      ['01:00-02:30 Europe/Berlin', '2026-03-29T00:15:00Z', 'open for 45m'],
      // All of it is jumped over.
      ['02:15-02:45 Europe/Berlin', '2026-03-29T00:30:00Z', 'opens in 23h 45m'],
      ['sun 02:15-02:45 Europe/Berlin', '2026-03-29T00:30:00Z', 'opens in 167h 45m'],
      ['sun 02:15-02:45 Europe/Berlin', '2026-03-22T12:00:00Z', 'opens in 324h 15m'],
    ],
  ],
  [
    'in a night that has an hour twice', // Berlin, 2026-10-25: 03:00 is 02:00
    [
      ['22:00-04:00 Europe/Berlin', '2026-10-24T20:00:00Z', 'open for 7h'],
      ['02:30-04:00 Europe/Berlin', '2026-10-25T00:15:00Z', 'opens in 15m'],
      ['02:30-04:00 Europe/Berlin', '2026-10-25T00:45:00Z', 'open for 2h 15m'],
      // It is 02:15 again, and it stays open.
      ['02:30-04:00 Europe/Berlin', '2026-10-25T01:15:00Z', 'open for 1h 45m'],
      // 02:30 has been: it does not open a second time.
      ['01:00-02:30 Europe/Berlin', '2026-10-25T00:15:00Z', 'open for 15m'],
      ['01:00-02:30 Europe/Berlin', '2026-10-25T01:15:00Z', 'opens in 22h 45m'],
      ['02:15-02:45 Europe/Berlin', '2026-10-25T00:20:00Z', 'open for 25m'],
      ['02:15-02:45 Europe/Berlin', '2026-10-25T01:20:00Z', 'opens in 23h 55m'],
    ],
  ],
  [
    'where clocks change in other ways',
    [
      // New York, 2026-03-08, at 07:00Z.
      ['22:00-04:00 America/New_York', '2026-03-08T06:00:00Z', 'open for 2h'],
      // Lord Howe is set forward by half an hour: 2026-10-04, 02:00 is 02:30.
      ['02:15-05:00 Australia/Lord_Howe', '2026-10-03T15:00:00Z', 'opens in 30m'],
      ['02:15-05:00 Australia/Lord_Howe', '2026-10-03T15:30:00Z', 'open for 2h 30m'],
      // Samoa had no 2011-12-30, a Friday.
      ['fri 09:00-17:00 Pacific/Apia', '2011-12-29T20:00:00Z', 'opens in 167h'],
      ['thu 22:00-04:00 Pacific/Apia', '2011-12-30T09:00:00Z', 'open for 1h'],
    ],
  ],
])('a window %s', (_, table) => {
  it.each(table)('%s at %s: %s', (text, at, expected) => {
    expect(told(text, at)).toBe(expected);
  });
});

it('closes and opens when it said it would', () => {
  const windows = ['22:00-04:00 Europe/Berlin', 'mon,thu 02:30-02:20 America/New_York', 'sun 01:30-03:30 Africa/Cairo'];
  for (const each of windows) {
    let at = Date.UTC(2026, 0, 1);
    for (let n = 0; n < 120; n++) {
      const { open, milliseconds } = opening(window(each), new Date(at));
      expect(opening(window(each), new Date(at + milliseconds)).open, `${each} after ${at}`).toBe(!open);
      expect(opening(window(each), new Date(at + milliseconds - 1)).open, `${each} before ${at}`).toBe(open);
      at += milliseconds;
    }
  }
});

it('does not know every zone', () => {
  expect(() => opening(window('09:00-17:00 Europe/Amsterdm'), new Date())).toThrow(RangeError);
});
