import { foldersErased } from '../folders-erased.ts';
import { DATA } from './forum.ts';

/** What readers have uploaded, and what NodeBB has built and logged. Posts are MongoDB's. */
export const erased = foldersErased('nodebb.erased', [DATA]);
