import { aligned, between, type Machine, markdown, said } from '../documented.ts';
import { type Figure, median, type Ratio } from './figures.ts';

/** What stands in build/bench.json. */
export interface Report {
  /** When the last part ended, as ISO 8601. */
  readonly at: string;
  readonly machine: Machine;
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
}

type Cells = readonly string[];

const MARKS = ['<!-- bench: made by `make bench DOC=1` -->', '<!-- /bench -->'] as const;

const FIGURES: Cells = ['part', 'what', 'by', 'hosts', 'median', 'least to most'];
const RATIOS: Cells = ['ratio', 'is', 'at most', ''];

/** The tables of the terminal, a line a row. */
export function lines({ figures, ratios }: Pick<Report, 'figures' | 'ratios'>): readonly string[] {
  return [...aligned([FIGURES, ...figures.map(cellsOf)]), '', ...aligned([RATIOS, ...ratios.map(cellsOfRatio)])];
}

/** A page with what stands between its two marks made new. Throws where it has no marks. */
export function documented(page: string, { at, machine, figures, ratios }: Report): string {
  return between(page, MARKS, [
    `Run on ${at.slice(0, 10)} ${said(machine)}.`,
    '',
    ...markdown([RATIOS, ...ratios.map(cellsOfRatio)]),
    '',
    ...markdown([FIGURES, ...figures.map(cellsOf)]),
  ]);
}

function cellsOf({ part, subject, work, hosts, unit, runs }: Figure): Cells {
  const range = runs.length > 1 ? `${amount(Math.min(...runs))} to ${amount(Math.max(...runs))}` : '';
  return [part, work, subject, String(hosts), `${amount(median(runs))} ${unit}`.trim(), range];
}

function cellsOfRatio({ says, value, atMost, holds }: Ratio): Cells {
  const verdict = holds ? 'reached' : 'missed';
  return [says, part(value), ...(atMost === undefined ? ['', ''] : [part(atMost), verdict])];
}

/** Small ratios are read more easily as parts of one. */
const part = (value: number): string => (value < 0.5 ? `1/${amount(1 / value)}` : amount(value));

/** Three digits say what can be said. */
function amount(value: number): string {
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}
