import { createHash } from 'node:crypto';
import type { Plan } from './plan.ts';

/** sha256 of a plan as canonical JSON, in hexadecimal: equal for equal plans, whatever the order of their keys. */
export function digestOf(plan: Plan): string {
  return createHash('sha256').update(canonical(plan)).digest('hex');
}

/** As much of a digest as one compares by eye. */
export const short = (digest: string) => digest.slice(0, 16);

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inside: unknown) =>
    typeof inside === 'object' && inside !== null && !Array.isArray(inside)
      ? Object.fromEntries(Object.entries(inside).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inside,
  );
}
