import { cpus, totalmem } from 'node:os';

/** What figures were measured on, for their reader. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** GiB. */
  readonly memory: number;
  /** Name and version of what took part. */
  readonly versions: Readonly<Record<string, string>>;
}

/** This machine, with the versions of what takes part. */
export function machineWith(versions: Machine['versions']): Machine {
  const [processor] = cpus();
  return {
    processor: processor?.model.trim() ?? 'an unknown processor',
    cores: cpus().length,
    memory: Math.round(totalmem() / 2 ** 30),
    versions,
  };
}

/** `on 2 cores of AMD EPYC, 24 GiB of memory, with Node 24.21.0` */
export function said({ cores, processor, memory, versions }: Machine): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `on ${cores} cores of ${processor}, ${memory} GiB of memory, with ${named.join(', ')}`;
}

/** A page with these lines between two marks, in place of what stood there. Throws where it has no marks. */
export function between(page: string, [begin, end]: readonly [string, string], lines: readonly string[]): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`The page has no place for the table: ${begin} … ${end}`);
  return `${page.slice(0, from)}${[begin, '', ...lines, '', ''].join('\n')}${page.slice(to)}`;
}

/** A table in Markdown, its heads first. */
export function markdown([head = [], ...rows]: readonly (readonly string[])[]): readonly string[] {
  const row = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...rows.map(row)];
}

/** A table for the terminal. */
export function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, n) => cell.padEnd(widths[n]!))
      .join('  ')
      .trimEnd(),
  );
}
