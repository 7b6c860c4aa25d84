import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { farweave, type Ran } from './farweave.ts';

const root = join(import.meta.dirname, '../..');

/** A lab of its own, so that a demo that is up in this checkout is left alone. */
process.env.FARWEAVE_LAB ??= `fwt${createHash('sha256').update(root).digest('hex').slice(0, 5)}`;
process.env.FARWEAVE_DEMO ??= join(root, '.farweave', process.env.FARWEAVE_LAB);

declare module 'vitest' {
  export interface ProvidedContext {
    /** The first rollout, onto hosts that had nothing. */
    first: Ran;
    /** Folder of the demo's cluster.yaml. */
    demo: string;
  }
}

/** Brings the demo up as `make demo` does. How that went is for the tests to judge. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const keep = Boolean(process.env.FARWEAVE_KEEP); // for writing tests: go on with what is up, and leave it up
  if (!keep) await farweave(['demo', 'down'], { show: true }); // what an interrupted run has left
  provide('demo', process.env.FARWEAVE_DEMO ?? '');
  provide('first', await farweave(['demo', 'up'], { show: true }));
  return async () => {
    if (!keep) await farweave(['demo', 'down'], { show: true });
  };
}
