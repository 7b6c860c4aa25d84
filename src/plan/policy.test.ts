import { describe, expect, it } from 'vitest';
import { amountOf, apart, type Guard, type Pace, policyOf, resized } from './policy.ts';

/** `a1 a2 b1` are hosts of the sites a and b. */
const hosts = (names: string) => names.split(' ').map((name) => ({ name, site: siteOf(name) }));
const siteOf = (host: string) => host[0]!;
const wavesOf = (pace: Pace, names: string) => policyOf(pace, hosts(names))?.waves?.map((wave) => wave.join(' '));

it.each([
  [1, 300, 1],
  [7, 3, 7],
  [0, 3, 0],
  ['0%', 300, 0],
  ['1%', 3, 1],
  ['25%', 3, 1],
  ['25%', 7, 1],
  ['25%', 8, 2],
  ['33%', 3, 1],
  ['34%', 3, 1],
  ['66%', 3, 1],
  ['67%', 3, 2],
  ['29%', 100, 29],
  ['57%', 100, 57],
  ['99%', 300, 297],
  ['100%', 3, 3],
])('%s of %i is %i', (amount, total, count) => {
  expect(amountOf(amount, total)).toBe(count);
});

describe('a policy', () => {
  it.each<[string, Pace, string, readonly string[] | undefined]>([
    ['of nothing', {}, 'a1 b1', undefined],
    ['of a canary alone, all others after it', { canary: 1 }, 'a1 a2 b1', ['a1', 'a2 b1']],
    ['of a canary that is rounded up to 1', { canary: '10%' }, 'a1 a2 b1', ['a1', 'a2 b1']],
    ['of a canary spread over sites', { canary: 2 }, 'a1 a2 a3 b1 b2', ['a1 b1', 'a2 a3 b2']],
    ['of a canary of more than there are sites', { canary: 4 }, 'a1 a2 a3 b1 c1', ['a1 a2 b1 c1', 'a3']],
    ['of a canary that is all hosts', { canary: '100%' }, 'a1 b1', ['a1 b1']],
    ['of a canary of more than all hosts', { canary: 9 }, 'a1 b1', ['a1 b1']],
    ['of one host of each site at a time', { waves: { perSite: 1 } }, 'a1 a2 a3 b1', ['a1 b1', 'a2', 'a3']],
    ['of a quarter of each site at a time', { waves: { perSite: '25%' } }, 'a1 a2 b1 b2 b3', ['a1 b1', 'a2 b2', 'b3']],
    [
      'of half of each site, whatever its size',
      { waves: { perSite: '50%' } },
      'a1 a2 a3 a4 b1 b2',
      ['a1 a2 b1', 'a3 a4 b2'],
    ],
    ['of one site at a time', { waves: { sites: 1 } }, 'a1 b1 a2 c1', ['a1 a2', 'b1', 'c1']],
    ['of half of the sites at a time', { waves: { sites: '50%' } }, 'a1 b1 c1 d1 e1', ['a1 b1', 'c1 d1', 'e1']],
    ['of one host of one site at a time', { waves: { perSite: 1, sites: 1 } }, 'a1 a2 b1 b2', ['a1', 'a2', 'b1', 'b2']],
    ['of more than there is', { waves: { perSite: 50, sites: 50 } }, 'a1 b1', ['a1 b1']],
    [
      'of a canary and waves, by the size that a site has with it',
      { canary: 1, waves: { perSite: '50%' } },
      'a1 a2 a3 a4 b1',
      ['a1', 'a2 a3 b1', 'a4'],
    ],
    [
      'of a canary that leaves nothing of a site',
      { canary: 2, waves: { sites: 1 } },
      'a1 b1 b2 c1',
      ['a1 b1', 'b2', 'c1'],
    ],
    ['of hosts that are mixed in the file, in its order', { waves: { perSite: 1 } }, 'b1 a1 b2 a2', ['b1 a1', 'b2 a2']],
  ])('%s', (_, pace, names, waves) => {
    expect(wavesOf(pace, names)).toEqual(waves);
  });

  it('puts every host into one wave, however they are cut', () => {
    const all = ['a', 'b', 'c', 'd'].flatMap((site, n) => Array.from({ length: 2 + 5 * n }, (_, i) => `${site}${i}`));
    const amounts = [1, 3, '10%', '34%', '100%'];
    for (const canary of [undefined, ...amounts])
      for (const perSite of amounts)
        for (const sites of amounts) {
          const waves = { perSite, sites };
          const cut = wavesOf(canary === undefined ? { waves } : { canary, waves }, all.join(' ')) ?? [];
          expect(cut.flatMap((wave) => wave.split(' ')).toSorted()).toEqual(all.toSorted());
          expect(cut).not.toContain('');
        }
  });

  it('says what was said, and no more', () => {
    const window = { timezone: 'Europe/Berlin', from: '22:00', to: '04:00' };
    const approval = { before: 'start', expires: 3_600_000 } as const;
    expect(policyOf({ canary: 1, soak: 90_000, approval }, hosts('a1 a2'))).toEqual({
      waves: [['a1'], ['a2']],
      canary: true,
      soak: 90_000,
      approval,
    });
    expect(policyOf({ windows: { a: window } }, hosts('a1'))).toEqual({ windows: { a: window } });
    // Between waves that there are not, nobody waits.
    expect(policyOf({ soak: 90_000, windows: {} }, hosts('a1'))).toBeUndefined();
  });
});

describe('apart', () => {
  const guard = (names: string, spare: number): Guard => ({ hosts: names.split(' '), spare });

  it.each<[string, string, readonly Guard[], readonly string[], string]>([
    ['leaves together what nobody guards', 'c a b', [], ['c a b'], ''],
    ['leaves together what does not conflict', 'a b c', [guard('a x', 1), guard('b y', 1)], ['a b c'], ''],
    ['lets as many go as can be spared', 'a b c d e', [guard('a b c d e', 2)], ['a b', 'c d', 'e'], ''],
    ['puts those that nobody guards into the first part', 'a b x c y', [guard('a b c', 1)], ['a x y', 'b', 'c'], ''],
    [
      'keeps to every group that a host is of',
      'a b c d',
      [guard('a b c', 1), guard('a b c d', 2)],
      ['a d', 'b', 'c'],
      '',
    ],
    ['fills earlier parts', 'a b c', [guard('a b', 1), guard('b c', 1)], ['a c', 'b'], ''],
    ['holds back a group with nothing to spare', 'a x b', [guard('a b', 0)], ['x'], 'a b'],
    ['holds back one that is short already', 'a x', [guard('a b', -1)], ['x'], 'a'],
    ['holds back a host of two groups if either has none', 'a b', [guard('a b', 1), guard('b c', 0)], ['a'], 'b'],
    ['has no parts where all are held back', 'a b', [guard('a b', 0)], [], 'a b'],
  ])('%s', (_, names, guards, parts, held) => {
    const split = apart(names.split(' '), guards);
    expect(split.parts.map((part) => part.join(' '))).toEqual(parts);
    expect(split.held.join(' ')).toBe(held);
  });

  it('has no parts of no hosts', () => {
    expect(apart([], [guard('a', 1)])).toEqual({ parts: [], held: [] });
  });
});

it.each([
  ['merges', 'a1 b1|a2 b2|a3', 2, 'a1 b1 a2 b2|a3'],
  ['splits', 'a1 a2 a3 b1', 1, 'a1 b1|a2|a3'],
  ['cuts anew', 'a1 a2|a3 a4|a5', 3, 'a1 a2 a3|a4 a5'],
  ['keeps sites apart that go one after another', 'a1|a2|b1|b2|b3', 2, 'a1 a2|b1 b2|b3'],
  ['keeps sites together that go together', 'a1 b1|a2|a3', 3, 'a1 b1 a2 a3'],
  ['keeps groups of sites apart', 'a1 b1|b2|c1 d1|d2', 2, 'a1 b1 b2|c1 d1 d2'],
  ['changes nothing where the size is as it was', 'a1 b1|a2 b2', 1, 'a1 b1|a2 b2'],
  ['makes nothing of nothing', '', 4, ''],
])('a new size %s: %s by %i', (_, left, size, waves) => {
  const before = left === '' ? [] : left.split('|').map((wave) => wave.split(' '));
  expect(
    resized(before, siteOf, size)
      .map((wave) => wave.join(' '))
      .join('|'),
  ).toBe(waves);
});
