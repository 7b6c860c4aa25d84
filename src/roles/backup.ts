import * as z from 'zod';
import type { Facts, Stage } from '../plan/plan.ts';
import type { Context } from './role.ts';

/** A backup by its id, the time (UTC) at which it was asked for: `20261125-143005`. */
export const BackupId = z.string().regex(/^\d{8}-\d{6}$/, 'wants a backup as `farweave backup list` names it');

/** What is known of a backup on a host; null where what lies beside it cannot be read. */
export const Kept = z.object({
  /** When it was done, ISO 8601. */
  at: z.string(),
  /** Seconds for which what it was taken of stood still. */
  locked: z.number(),
  bytes: z.number(),
  /** Of the archive. */
  sha256: z.string(),
  /** Version of what it was taken of. */
  version: z.string(),
  /** The last write that it holds, ISO 8601. */
  until: z.string(),
  documents: z.number(),
});
export type Kept = z.infer<typeof Kept>;

/** A backup that lies on a host. */
export interface Backup {
  readonly id: string;
  readonly host: string;
  /** Missing: damaged, so that it cannot even be told what it is. */
  readonly kept?: Kept;
}

/** Which backup is to be laid back, and the host that has it. */
export interface Wanted extends Pick<Backup, 'id' | 'host'> {
  readonly sha256: string;
  /** When the restore was asked for, as backups are named. */
  readonly asked: string;
}

/** Of a role that keeps something, or that uses what another one keeps: stages for plans of their own. */
export interface BackedUp<Config> {
  /** Takes a backup, proves it, and lets go of older ones. */
  take?(config: Config, context: Context, id: string): readonly Stage[];
  /** Tells which backups there are, as facts named with {@link backupFact}. */
  list?(config: Config, context: Context): readonly Stage[];
  restore(config: Config, context: Context, wanted: Wanted): Restoring;
}

/** Roles prove one after another, halt in reverse, and rise one after another. */
export interface Restoring {
  /** What must hold before anything is stopped. */
  readonly prove: readonly Stage[];
  readonly halt: readonly Stage[];
  readonly rise: readonly Stage[];
  /** When all serve again: there is no way back from here. */
  readonly settle: readonly Stage[];
}

const FACT = 'backup.';

/** The fact that a host has a backup: `backup.20261125-143005`. Its value is {@link Kept} as JSON. */
export const backupFact = (id: string) => `${FACT}${id}`;

/** All backups that hosts have told of, the oldest first. */
export function backupsIn(facts: Facts): readonly Backup[] {
  return Object.entries(facts)
    .filter(([fact]) => fact.startsWith(FACT))
    .flatMap(([fact, hosts]) =>
      Object.entries(hosts).map(([host, value]) => ({ id: fact.slice(FACT.length), host, ...keptOf(value) })),
    )
    .toSorted((a, b) => a.id.localeCompare(b.id) || a.host.localeCompare(b.host));
}

function keptOf(value: string): Pick<Backup, 'kept'> {
  const { data } = Kept.nullable().safeParse(JSON.parse(value));
  return data ? { kept: data } : {};
}
