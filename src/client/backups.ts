import { randomUUID } from 'node:crypto';
import { foundIn } from '../plan/backups.ts';
import type { Backup } from '../roles/backup.ts';
import type { Cluster } from '../spec/cluster.ts';
import type { ClusterView, LookResult } from '../workflows/contract.ts';
import { accompany } from './accompany.ts';
import { type At, mannerOf, secretsOf } from './command.ts';
import type { Farweave } from './connection.ts';
import { EXIT, Failure } from './errors.ts';
import { apply, draft, look } from './index.ts';
import { waiting } from './waiting.ts';

/** Takes a backup of what the cluster keeps, and shows how. Gives the exit code: 0 only if a host has it, proven. */
export async function takeBackup(at: At, farweave: Farweave, cluster: Cluster, state: ClusterView): Promise<number> {
  const aim = { backup: idOf(new Date()) };
  const secrets = await (await secretsOf(at, cluster, aim))(state);
  const made = draft(cluster, state, aim);
  if (made.plan.stages.length === 0)
    throw new Failure('No role of this cluster keeps anything that could be backed up.', { exitCode: EXIT.badInput });
  const rollout = await waiting(at.io, 'Beginning the backup', () => apply(farweave, made, secrets));
  return await accompany(farweave, rollout, mannerOf(at));
}

/** Asks all hosts which backups they have, the oldest first. A host that does not answer is a problem. */
export async function findBackups(
  at: At,
  farweave: Farweave,
  cluster: Cluster,
  state: ClusterView,
): Promise<{ readonly backups: readonly Backup[]; readonly problems: LookResult['problems'] }> {
  const secrets = await (await secretsOf(at, cluster, 'backups'))(state);
  const { findings, problems } = await waiting(at.io, 'Asking the hosts', () =>
    look(farweave, draft(cluster, state, 'backups'), secrets, { request: randomUUID().slice(0, 8), state }),
  );
  return { backups: foundIn(findings), problems };
}

/** The second (UTC) in which a backup or a restore is asked for: `20261125-143005`. */
export const idOf = (now: Date) => now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
