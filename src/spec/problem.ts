export { nearest, suggestion } from '../roles/suggestion.ts';

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
