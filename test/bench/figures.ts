/** Who did the work. */
export type Subject = 'farweave' | 'bare ssh2' | 'only connecting' | 'pyinfra' | 'ansible' | 'ansible + mitogen';

/** One thing that was measured, as often as it was. */
export interface Figure {
  /** The part of the bench, a letter. */
  readonly part: string;
  readonly subject: Subject;
  /** What was done, such as `changes`. With `subject` and `hosts` it names the figure. */
  readonly work: string;
  readonly hosts: number;
  readonly unit: string;
  readonly runs: readonly number[];
}

/** Names a figure of a part. */
export type Named = Pick<Figure, 'part' | 'subject' | 'work' | 'hosts'>;

/** A figure over another one of the same bench, or by itself, and how large that may be. */
export interface Claim {
  readonly says: string;
  readonly of: Named;
  readonly over?: Named;
  /** Missing: it is told, and nothing is asked of it. */
  readonly atMost?: number;
}

export interface Ratio {
  readonly says: string;
  readonly value: number;
  readonly atMost?: number;
  /** Whether it is no larger than asked; true where nothing is asked. */
  readonly holds: boolean;
}

/** The middle one, or the mean of the two in the middle. NaN of none. */
export function median(runs: readonly number[]): number {
  const sorted = runs.toSorted((one, other) => one - other);
  const middle = (sorted.length - 1) / 2;
  return (sorted.at(Math.floor(middle))! + sorted.at(Math.ceil(middle))!) / 2;
}

/** What became of those claims whose figures were measured. */
export function ratios(claims: readonly Claim[], figures: readonly Figure[]): readonly Ratio[] {
  return claims.flatMap(({ says, of, over, atMost }) => {
    const above = found(figures, of);
    const below = over && found(figures, over);
    if (!above || (over && !below)) return [];
    const value = median(above.runs) / (below ? median(below.runs) : 1);
    return [{ says, value, ...(atMost !== undefined && { atMost }), holds: atMost === undefined || value <= atMost }];
  });
}

/** Of several under one name the last: parts may be run again. */
export function found(figures: readonly Figure[], { part, subject, work, hosts }: Named): Figure | undefined {
  return figures.findLast(
    (figure) => figure.part === part && figure.subject === subject && figure.work === work && figure.hosts === hosts,
  );
}

/** Those measured now in place of older ones of the same names. */
export function renewed(before: readonly Figure[], now: readonly Figure[]): readonly Figure[] {
  return [...before.filter((figure) => !found(now, figure)), ...now].toSorted(
    (one, other) => one.part.localeCompare(other.part) || one.hosts - other.hosts,
  );
}
