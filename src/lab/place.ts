import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

const checkout = resolve(import.meta.dirname, '../..');
const checkoutId = `fw${createHash('sha256').update(checkout).digest('hex').slice(0, 6)}`;

/** The name of this checkout's lab; every container, network and volume of it begins with it. */
export const labId = process.env.FARWEAVE_LAB || checkoutId;

/** What this lab is, so that the next command finds it. A lab of another id in the same checkout has its own. */
export const stateFile = join(checkout, '.farweave', labId === checkoutId ? 'lab.json' : `lab-${labId}.json`);

/** Built images and the engine's data: shared by all checkouts, and outliving every lab. */
export const cacheFolder = process.env.FARWEAVE_CACHE
  ? resolve(process.env.FARWEAVE_CACHE, 'lab')
  : join(homedir(), '.cache', 'farweave', 'lab');

export const imageFolder = join(import.meta.dirname, 'image');

/** Sockets and process ids of an engine that the lab started; gone after a reboot, as they should be. */
export const runFolder = '/run/farweave-lab';
