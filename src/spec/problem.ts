/** What is wrong with a spec, and where. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** Such as `hosts[1].port`; empty for what is about the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A spec that cannot be used. Holds everything that is wrong with it, warnings too, in the order of the file. */
export class SpecError extends Error {
  override readonly name = 'SpecError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(line).join('\n'));
    this.problems = problems;
  }
}

/** A problem as one line: `cluster.yaml:6 roles.docker.pakage: unknown key "pakage"; did you mean "package"?` */
export function line(problem: Problem): string {
  const where = `${problem.file}:${problem.line}${problem.path && ` ${problem.path}`}`;
  return `${where}: ${problem.severity === 'warning' ? 'warning: ' : ''}${problem.message}`;
}

/** A path as one reads it: `hosts[1].port`. */
export function dotted(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (all, key) => (typeof key === 'number' ? `${all}[${key}]` : `${all}${all && '.'}${String(key)}`),
    '',
  );
}

/** The candidate that was probably meant, as the end of a message; nothing where none is near. */
export function suggestion(wrong: string, candidates: readonly string[]): string {
  const meant = nearest(wrong, candidates);
  return meant === undefined ? '' : `; did you mean "${meant}"?`;
}

/** The candidate that was probably meant; undefined where none is near. */
export function nearest(wrong: string, candidates: readonly string[]): string | undefined {
  const [first] = candidates
    .map((candidate) => ({ candidate, edits: distance(wrong.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= Math.max(1, Math.min(3, Math.floor(candidate.length / 2))))
    .toSorted((a, b) => a.edits - b.edits);
  return first?.candidate;
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (const [i, letter] of Array.from(a).entries()) {
    row = row.reduce<number[]>((next, above, j) => {
      if (j === 0) return [i + 1];
      const replaced = (row[j - 1] ?? 0) + (letter === b[j - 1] ? 0 : 1);
      return [...next, Math.min(above + 1, (next[j - 1] ?? 0) + 1, replaced)];
    }, []);
  }
  return row.at(-1) ?? 0;
}
