import type { Part } from '../bench.ts';
import { a } from './a.ts';
import { b } from './b.ts';
import { c } from './c.ts';
import { d } from './d.ts';
import { e } from './e.ts';
import { f } from './f.ts';
import { g } from './g.ts';

/** In the order in which they are run. */
export const parts: Readonly<Record<string, Part>> = { a, b, c, d, e, f, g };
