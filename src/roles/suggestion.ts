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
