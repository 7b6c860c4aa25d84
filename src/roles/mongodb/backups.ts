import * as z from 'zod';

/** Where backups lie on the hosts that they were taken on: a folder each, readable by root only. */
export const BACKUPS = '/var/lib/farweave/backups';

/** `roles.mongodb.backup`. */
export const Backups = z
  .strictObject({
    copies: z
      .int()
      .min(1)
      .max(7)
      .default(2)
      .describe('Of how many members a backup is taken, of different sites where there are such. Each keeps its own.'),
    keep: z
      .int()
      .min(1)
      .max(1000)
      .default(7)
      .describe('How many backups a host keeps. Older ones go when a new one is done.'),
  })
  .prefault({})
  .describe('What `farweave backup` does.');
