import type { Part } from '../bench.ts';
import { a } from './a.ts';
import { e } from './e.ts';

/** In the order in which they are run. */
export const parts: Readonly<Record<string, Part>> = { a, e };
