import { cancelled, cancelledAndUndone, failedContinue, failedPause, failedRollback } from './decisions.ts';
import { diskFull, dpkgLocked, hostKeyChanged, hostRebooted, primaryPowerCut } from './hosts.ts';
import { linksDropped, siteCutOff, sshdRestarted } from './links.ts';
import type { Row } from './row.ts';
import { serverKilled, workerKilled, workerStopped } from './workers.ts';

/** The matrix, in the order in which it is run: the first row rolls the whole cluster out, the others change it. */
export const rows: readonly Row[] = [
  workerKilled,
  workerStopped,
  serverKilled,
  linksDropped,
  sshdRestarted,
  siteCutOff,
  hostRebooted,
  primaryPowerCut,
  diskFull,
  dpkgLocked,
  hostKeyChanged,
  cancelled,
  cancelledAndUndone,
  failedPause,
  failedRollback,
  failedContinue,
];

/** Those that are named, or have a tag that is; all where nobody names any. Throws where a name is neither. */
export function chosen(names: readonly string[]): readonly Row[] {
  const isMeant = (row: Row, name: string) => row.name === name || row.tags?.includes(name) === true;
  const unknown = names.find((name) => !rows.some((row) => isMeant(row, name)));
  if (unknown !== undefined)
    throw new Error(`There is no row ${unknown}. There are: ${rows.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? rows : rows.filter((row) => names.some((name) => isMeant(row, name)));
}
