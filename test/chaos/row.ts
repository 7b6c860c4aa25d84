import type { Scene } from './scene.ts';

/** One fault, and what has to come of it. */
export interface Row {
  readonly name: string;
  /** `make chaos ROWS=tag` runs those that have it. */
  readonly tags?: readonly string[];
  /** What is done to a rollout under way. */
  readonly fault: string;
  /** What has to come of it. */
  readonly wanted: string;
  /** The fault ends scripts or keeps them from their end: attempts beyond the first are right, each in a generation of its own. */
  readonly costly?: true;
  /** Wants hosts that had nothing. */
  readonly fresh?: true;
  /** Seconds that the first progress may take; without, it is only told. */
  readonly promptly?: number;
  /** Minutes for all of it. Default 12. */
  readonly limit?: number;
  run(scene: Scene): Promise<void>;
}

/** What came of a row. */
export interface Result {
  readonly row: string;
  readonly fault: string;
  readonly wanted: string;
  /** `not run`: what it checks is not there, and it says so. */
  readonly verdict: 'right' | 'wrong' | 'not run';
  /** Why, a line each: what was wanted and what was seen. */
  readonly notes: readonly string[];
  readonly faults: number;
  /** Seconds from each fault (or the next worker, where the fault was the loss of one) to the first progress. */
  readonly progress: readonly number[];
  readonly scripts: { readonly started: number; readonly twice: number; readonly lost: number; readonly again: number };
  /** Whether `farweave verify` held at the end. */
  readonly verified: boolean;
  readonly seconds: number;
  /** The code that it was run with. */
  readonly code: string;
  /** ISO 8601. */
  readonly at: string;
}
