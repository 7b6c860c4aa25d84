import { describe, expect, it, test } from 'vitest';
import { type Claim, type Figure, median, type Named, ratios, renewed } from '../bench/figures.ts';
import { documented, lines, type Report } from '../bench/report.ts';

const name = (subject: Named['subject'], hosts = 100): Named => ({ part: 'a', subject, work: 'changes', hosts });
const figure = (of: Named, ...runs: readonly number[]): Figure => ({ ...of, unit: 's', runs });

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 2, 3], 2.5],
  [[7], 7],
])('the median of %j is %d', (runs, expected) => {
  expect(median(runs)).toBe(expected);
});

describe('a claim', () => {
  const claim: Claim = { says: 'it is fast', of: name('farweave'), over: name('bare ssh2'), atMost: 1.5 };

  it('is the ratio of two medians, held against what is asked', () => {
    const figures = [figure(name('bare ssh2'), 1, 2, 9), figure(name('farweave'), 3, 3, 3)];
    expect(ratios([claim], figures)).toEqual([{ says: 'it is fast', value: 1.5, atMost: 1.5, holds: true }]);
    expect(ratios([{ ...claim, atMost: 1.4 }], figures)[0]).toMatchObject({ holds: false });
  });

  it('is left out where either figure was not measured, or for other hosts only', () => {
    expect(ratios([claim], [figure(name('farweave'), 3)])).toEqual([]);
    expect(ratios([claim], [figure(name('farweave'), 3), figure(name('bare ssh2', 10), 2)])).toEqual([]);
  });

  it('may be about one figure alone', () => {
    const alone: Claim = { says: 'it is small', of: name('farweave'), atMost: 600 };
    expect(ratios([alone], [figure(name('farweave'), 601)])).toEqual([
      { says: 'it is small', value: 601, atMost: 600, holds: false },
    ]);
  });
});

it('figures that are measured again take the place of the old ones, and others stay', () => {
  const [old, other] = [figure(name('farweave'), 5), figure(name('pyinfra'), 9)];
  expect(renewed([old, other], [figure(name('farweave'), 4)])).toEqual([other, figure(name('farweave'), 4)]);
});

describe('the report', () => {
  const figures = [figure(name('farweave'), 12.345, 11, 14), figure(name('ansible'), 344.2)];
  const claim: Claim = { says: 'over ansible', of: name('farweave'), over: name('ansible'), atMost: 1 / 15 };
  const report: Report = {
    at: '2026-11-25T20:00:00.000Z',
    machine: { processor: 'a processor', cores: 2, memory: 24, versions: { Node: '24.0.0' } },
    figures,
    ratios: ratios([claim], figures),
  };

  it('says medians with what they vary between, and small ratios as parts of one', () => {
    expect(lines(report)).toEqual([
      'part  what     by        hosts  median  least to most',
      'a     changes  farweave  100    12.3 s  11 to 14',
      'a     changes  ansible   100    344 s',
      '',
      'ratio         is      at most',
      'over ansible  1/27.9  1/15     reached',
    ]);
  });

  it('goes between the marks of a page, in place of the one before', () => {
    const page = (text: string) =>
      `# Title\n<!-- bench: made by \`make bench DOC=1\` -->${text}<!-- /bench -->\nEnd.\n`;
    const made = documented(page('\nold\n'), report);
    expect(made).toContain('| over ansible | 1/27.9 | 1/15 | reached |');
    expect(made).not.toContain('old');
    expect(documented(made, report)).toBe(made);
    expect(() => documented('# Title\n', report)).toThrow('no place');
  });
});
