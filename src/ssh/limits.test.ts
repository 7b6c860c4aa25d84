import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Limiter, type Release, type Share } from './limits.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** Asks for so many slots, and notes when each is there. */
function asking(limiter: Limiter, count: number, shares: readonly Share[], signal = new AbortController().signal) {
  const slots: Release[] = [];
  const began = Date.now();
  const times: number[] = [];
  const refused: unknown[] = [];
  for (let n = 0; n < count; n++)
    void limiter.acquire(shares, signal).then(
      (slot) => {
        slots.push(slot);
        times.push(Date.now() - began);
      },
      (reason: unknown) => refused.push(reason),
    );
  return { slots, times, refused };
}

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

test('without limits everybody goes at once', async () => {
  const { slots } = asking(new Limiter(), 50, [{ of: 'site ams' }]);
  await pass(0);
  expect(slots).toHaveLength(50);
});

test('no more go than sessions may be open, and the next as soon as one is closed', async () => {
  const { slots } = asking(new Limiter(), 5, [{ of: 'site ams', sessions: 2 }]);
  await pass(60_000);
  expect(slots).toHaveLength(2);
  slots[0]!();
  slots[0]!(); // told twice, it is still one
  await pass(0);
  expect(slots).toHaveLength(3);
});

test('so many begin within a second, and no second has more', async () => {
  const { times } = asking(new Limiter(), 10, [{ of: 'site ams', startsPerSecond: 4 }]);
  await pass(5_000);
  expect(times.map((time) => Math.floor(time / 1_000))).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2]);
});

test('who has several shares waits for all of them, and keeps none while it waits', async () => {
  const limiter = new Limiter();
  const ams = { of: 'site ams', sessions: 1 };
  const worker = { of: 'this worker', sessions: 2 };
  const inAms = asking(limiter, 2, [ams, worker]);
  const elsewhere = asking(limiter, 1, [{ of: 'site fra' }, worker]);
  await pass(0);
  expect([inAms.slots.length, elsewhere.slots.length]).toEqual([1, 1]);
  inAms.slots[0]!();
  await pass(0);
  expect(inAms.slots).toHaveLength(2);
});

test('two that give one share other limits share it, each by its own', async () => {
  const limiter = new Limiter();
  const wide = asking(limiter, 2, [{ of: 'site ams', sessions: 3 }]);
  const narrow = asking(limiter, 1, [{ of: 'site ams', sessions: 1 }]);
  await pass(0);
  expect([wide.slots.length, narrow.slots.length]).toEqual([2, 0]);
});

test('who gives up waiting takes nothing, and is in nobody’s way', async () => {
  const limiter = new Limiter();
  const share = [{ of: 'site ams', sessions: 1 }];
  const first = asking(limiter, 1, share);
  const tired = new AbortController();
  const second = asking(limiter, 1, share, tired.signal);
  const third = asking(limiter, 1, share);
  tired.abort('tired');
  await pass(0);
  expect(second.refused).toEqual(['tired']);
  first.slots[0]!();
  await pass(0);
  expect(third.slots).toHaveLength(1);
});

test('asks for room only for what is full', async () => {
  const makeRoom = vi.fn<(of: string) => void>();
  const limiter = new Limiter(makeRoom);
  asking(limiter, 2, [{ of: 'site ams', startsPerSecond: 1 }, { of: 'this worker' }]);
  await pass(0);
  expect(makeRoom).not.toHaveBeenCalled();
  asking(limiter, 2, [{ of: 'site fra', sessions: 1 }, { of: 'this worker' }]);
  await pass(0);
  expect(makeRoom.mock.calls.every(([of]) => of === 'site fra')).toBe(true);
  expect(makeRoom).toHaveBeenCalled();
});
