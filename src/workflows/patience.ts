import type { Plan } from '../plan/plan.ts';

/** How long to wait before another attempt at one thing. Attempts are counted by what went wrong. */
export class Patience {
  readonly #waits: Plan['patience'];
  readonly #tried = new Map<string, number>();

  constructor(waits: Plan['patience']) {
    this.#waits = waits;
  }

  /** After a failure of this class: milliseconds, or undefined where it is not to be tried again. */
  next(type: string): number | undefined {
    const nth = this.#tried.get(type) ?? 0;
    this.#tried.set(type, nth + 1);
    return this.#waits[type]?.[nth];
  }
}
