import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** A lab of its own, so that a demo and other tests are left alone. The lab looks for its name as soon as it is imported. */
const root = join(import.meta.dirname, '../..');
process.env.FARWEAVE_LAB ??= `fwl${createHash('sha256').update(root).digest('hex').slice(0, 5)}`;
