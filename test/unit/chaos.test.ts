import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { documented, lines, type Report } from '../chaos/report.ts';
import type { Result } from '../chaos/row.ts';
import { chosen, rows } from '../chaos/rows.ts';

const page = join(import.meta.dirname, '../../docs/reliability.md');

const right: Result = {
  row: 'links-dropped',
  fault: 'drop all SSH connections',
  wanted: 'done',
  verdict: 'right',
  notes: [],
  faults: 5,
  progress: [3.8, 12],
  scripts: { started: 6, twice: 0, lost: 0, again: 0 },
  verified: true,
  seconds: 102,
  code: 'abc',
  at: '2026-01-02T03:04:05.000Z',
};
const wrong: Result = { ...right, row: 'disk-full', verdict: 'wrong', notes: ['wanted: done; seen: a | b'] };
const report: Report = {
  machine: { processor: 'Some CPU', cores: 2, memory: 24, versions: { Node: '24.0.0', Temporal: '1.0' } },
  seed: 1,
  results: [right, wrong],
};

describe('the matrix of faults', () => {
  it('has each row once, by a name that can be asked for', () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    for (const row of rows) expect(chosen([row.name])).toEqual([row]);
  });

  it('is run whole unless rows or tags are named, and says which there are', () => {
    expect(chosen([])).toEqual(rows);
    expect(chosen(['figures']).map(({ name }) => name)).toEqual(['worker-killed', 'worker-stopped']);
    expect(() => chosen(['no-such-row'])).toThrow(/There is no row no-such-row.*links-dropped/);
  });
});

describe('the table of the matrix', () => {
  it('has a line a row with the slowest progress, and below it what is wrong', () => {
    const [head, first, second, ...notes] = lines(report.results);
    expect(head).toMatch(/^row +verdict +faults +first progress +scripts/);
    expect(first).toMatch(/^links-dropped +right +5 +12\.0 s +6 +0 +0 +0 +yes +1m 42s$/);
    expect(second).toContain('wrong');
    expect(notes).toEqual(['disk-full: wanted: done; seen: a | b']);
  });

  it('replaces the one on the page, and nothing else of it', async () => {
    const before = await readFile(page, 'utf8');
    const once = documented(before, report);
    expect(once).toContain('2 cores of Some CPU, 24 GiB of memory, with Node 24.0.0, Temporal 1.0');
    expect(once).toContain('| drop all SSH connections | done | right | 5 | 12.0 s |');
    expect(documented(once, report)).toBe(once);
    expect(once.slice(0, once.indexOf('<!--'))).toBe(before.slice(0, before.indexOf('<!--')));
    expect(() => documented('no marks', report)).toThrow('no place for the table');
  });
});
