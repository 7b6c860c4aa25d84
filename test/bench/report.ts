import { type Figure, median, type Ratio } from './figures.ts';

/** What the bench ran on, for the reader of its figures. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** GiB. */
  readonly memory: number;
  /** Name and version of what took part. */
  readonly versions: Readonly<Record<string, string>>;
}

/** What stands in build/bench.json. */
export interface Report {
  /** When the last part ended, as ISO 8601. */
  readonly at: string;
  readonly machine: Machine;
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
}

type Cells = readonly string[];

const BEGIN = '<!-- bench: made by `make bench DOC=1` -->';
const END = '<!-- /bench -->';

const FIGURES: Cells = ['part', 'what', 'by', 'hosts', 'median', 'least to most'];
const RATIOS: Cells = ['ratio', 'is', 'at most', ''];

/** The tables of the terminal, a line a row. */
export function lines({ figures, ratios }: Pick<Report, 'figures' | 'ratios'>): readonly string[] {
  return [...aligned([FIGURES, ...figures.map(cellsOf)]), '', ...aligned([RATIOS, ...ratios.map(cellsOfRatio)])];
}

/** A page with what stands between its two marks made new. Throws where it has no marks. */
export function documented(page: string, { at, machine, figures, ratios }: Report): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`The page has no place for the tables: ${BEGIN} … ${END}`);
  const { processor, cores, memory, versions } = machine;
  const took = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const text = [
    BEGIN,
    '',
    `Run on ${at.slice(0, 10)} on ${cores} cores of ${processor}, ${memory} GiB of memory, with ${took.join(', ')}.`,
    '',
    ...marked([RATIOS, ...ratios.map(cellsOfRatio)]),
    '',
    ...marked([FIGURES, ...figures.map(cellsOf)]),
    '',
  ];
  return `${page.slice(0, from)}${text.join('\n')}${page.slice(to)}`;
}

function cellsOf({ part, subject, work, hosts, unit, runs }: Figure): Cells {
  const range = runs.length > 1 ? `${amount(Math.min(...runs))} to ${amount(Math.max(...runs))}` : '';
  return [part, work, subject, String(hosts), `${amount(median(runs))} ${unit}`.trim(), range];
}

function cellsOfRatio({ says, value, atMost, holds }: Ratio): Cells {
  const asked = atMost === undefined ? '' : atMost < 0.5 ? `1/${amount(1 / atMost)}` : amount(atMost);
  const is = value < 0.5 ? `1/${amount(1 / value)}` : amount(value);
  return [says, is, asked, asked === '' ? '' : holds ? 'reached' : 'missed'];
}

/** Three digits say what can be said. */
function amount(value: number): string {
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

function aligned(rows: readonly Cells[]): readonly string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, n) => cell.padEnd(widths[n]!))
      .join('  ')
      .trimEnd(),
  );
}

function marked([head, ...rows]: readonly Cells[]): readonly string[] {
  const row = (cells: Cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [row(head!), row(head!.map(() => '---')), ...rows.map(row)];
}
