import { aligned, between, type Machine, markdown, said } from '../documented.ts';
import type { Result } from './row.ts';

/** What stands in build/chaos.json. */
export interface Report {
  readonly machine: Machine;
  readonly seed: number;
  readonly results: readonly Result[];
}

const MARKS = ['<!-- chaos: made by `make chaos DOC=1` -->', '<!-- /chaos -->'] as const;

const HEAD = ['row', 'verdict', 'faults', 'first progress', 'scripts', 'twice', 'lost', 'again', 'verified', 'took'];

/** The table of the terminal, a line a row, what is wrong below. */
export function lines(results: readonly Result[]): readonly string[] {
  return [
    ...aligned([HEAD, ...results.map(cells)]),
    ...results.flatMap(({ row, notes }) => notes.map((note) => `${row}: ${note}`)),
  ];
}

/** A page with the table between its two marks made new. Throws where it has no marks. */
export function documented(page: string, { machine, seed, results }: Report): string {
  const last =
    results
      .map(({ at }) => at)
      .toSorted()
      .at(-1) ?? '';
  const notes = results.flatMap(({ row: name, notes: told }) => told.map((note) => `- ${name}: ${note}`));
  return between(page, MARKS, [
    `Run on ${last.slice(0, 10)} with seed ${seed}, ${said(machine)}. First progress: the slowest, in seconds.`,
    '',
    ...markdown([
      ['fault', 'wanted', ...HEAD.slice(1)],
      ...results.map((result) => [result.fault, result.wanted, ...cells(result).slice(1)]),
    ]),
    ...(notes.length > 0 ? ['', ...notes] : []),
  ]);
}

function cells({ row: name, verdict, faults, progress, scripts, verified, seconds }: Result): readonly string[] {
  const slowest = progress.length === 0 ? '' : `${Math.max(...progress).toFixed(1)} s`;
  const { started, twice, lost, again } = scripts;
  return [
    name,
    verdict,
    ...[faults, slowest, started, twice, lost, again].map(String),
    verified ? 'yes' : 'no',
    `${Math.floor(seconds / 60)}m ${String(seconds % 60).padStart(2, '0')}s`,
  ];
}
