import type { HostSpec } from '../plan/plan.ts';
import type { Backup } from '../roles/backup.ts';
import { count, printable, table } from './format.ts';

/** A line a backup and host: what it is, how large, up to which write. */
export function backupLines(
  backups: readonly Backup[],
  hosts: readonly Pick<HostSpec, 'name' | 'site'>[],
): readonly string[] {
  const siteOf = (host: string) => hosts.find(({ name }) => name === host)?.site ?? '';
  return table(backups.map((backup) => [backup.id, backup.host, siteOf(backup.host), ...told(backup)]));
}

function told({ kept }: Backup): readonly string[] {
  if (!kept) return ['', '', '', 'damaged: what lies beside it cannot be read'];
  const { bytes, documents, version, until } = kept;
  return [megabytes(bytes), count(documents, 'document'), `MongoDB ${printable(version)}`, `up to ${printable(until)}`];
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
