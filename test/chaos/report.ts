import type { Result } from './row.ts';

/** What the matrix ran on, for the reader of its figures. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** GiB. */
  readonly memory: number;
  /** Name and version of what took part. */
  readonly versions: Readonly<Record<string, string>>;
}

/** What stands in build/chaos.json. */
export interface Report {
  readonly machine: Machine;
  readonly seed: number;
  readonly results: readonly Result[];
}

const BEGIN = '<!-- chaos: made by `make chaos DOC=1` -->';
const END = '<!-- /chaos -->';

const HEAD = ['row', 'verdict', 'faults', 'first progress', 'scripts', 'twice', 'lost', 'again', 'verified', 'took'];

/** The table of the terminal, a line a row, what is wrong below. */
export function lines(results: readonly Result[]): readonly string[] {
  const table = [HEAD, ...results.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return [
    ...table.map((row) =>
      row
        .map((cell, n) => cell.padEnd(widths[n]!))
        .join('  ')
        .trimEnd(),
    ),
    ...results.flatMap(({ row, notes }) => notes.map((note) => `${row}: ${note}`)),
  ];
}

/** A page with the table between its two marks made new. Throws where it has no marks. */
export function documented(page: string, { machine, seed, results }: Report): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`The page has no place for the table: ${BEGIN} … ${END}`);
  const { processor, cores, memory, versions } = machine;
  const last =
    results
      .map(({ at }) => at)
      .toSorted()
      .at(-1) ?? '';
  const text = [
    BEGIN,
    '',
    `Run on ${last.slice(0, 10)} with seed ${seed}, on ${cores} cores of ${processor}, ${memory} GiB of memory, with ${named(versions)}. First progress: the slowest, in seconds.`,
    '',
    row(['fault', 'wanted', ...HEAD.slice(1)]),
    row(['fault', 'wanted', ...HEAD.slice(1)].map(() => '---')),
    ...results.map((result) => row([result.fault, result.wanted, ...cells(result).slice(1)])),
    '',
    ...results.flatMap(({ row: name, notes }) => notes.map((note) => `- ${name}: ${note}`)),
    '',
  ];
  return `${page.slice(0, from)}${text.join('\n')}${page.slice(to)}`;
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

const row = (texts: readonly string[]) => `| ${texts.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
const named = (versions: Machine['versions']) =>
  Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
