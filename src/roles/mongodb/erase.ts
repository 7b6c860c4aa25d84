import { foldersErased } from '../folders-erased.ts';
import { DATA } from './shell.ts';

/** Without its data a member knows of no set any more. */
export const erased = foldersErased('mongodb.erased', [DATA]);
