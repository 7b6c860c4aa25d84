import type { Command } from 'commander';
import type { Backup, Kept, Wanted } from '../../roles/backup.ts';
import type { Cluster } from '../../spec/cluster.ts';
import { accompany } from '../accompany.ts';
import { backupLines } from '../backup-lines.ts';
import { findBackups, idOf } from '../backups.ts';
import { type At, mannerOf, type Run, secretsOf, teach, withCluster } from '../command.ts';
import { confirm } from '../confirm.ts';
import { EXIT, Failure } from '../errors.ts';
import { printable } from '../format.ts';
import { apply, draft } from '../index.ts';
import { waiting } from '../waiting.ts';

interface Options {
  readonly from?: string;
  readonly yes?: boolean;
}

export function addRestore(program: Command, run: Run): void {
  const command = program
    .command('restore')
    .summary('lay a backup back')
    .description(
      'Makes the data of the cluster what it was when the backup was taken; what was written since is gone. First the backup ' +
        'is checked, unpacked and read as a whole while everything serves: one that is damaged is refused, and nothing is ' +
        'stopped. Then NodeBB and MongoDB stop on all hosts, the data is put in place on the host that has the backup, the ' +
        'other members copy it from there one after another, and NodeBB starts. The data of before stays on the hosts, beside ' +
        'the new one, until the next backup.',
    )
    .argument('<backup>', 'as farweave backup list names it')
    .option('--from <host>', 'take it from this host, where several have it')
    .option('-y, --yes', 'do not ask')
    .action(run(restore));
  teach(
    command,
    [
      ['farweave backup list', 'which backups there are'],
      ['farweave restore 20261125-143005', 'asks first'],
      ['farweave restore 20261125-143005 --from vm2 --yes', 'the one on vm2, for scripts'],
    ],
    'Exit codes: 0 laid back; 1 refused, failed, or paused on a failure; 2 bad input; 3 no Temporal; 130 Ctrl-C (it goes on).',
  );
}

async function restore(at: At, id: string, { from, yes = false }: Options): Promise<number> {
  return await withCluster(at, async (farweave, name, state, cluster) => {
    const { backups } = await findBackups(at, farweave, cluster, state);
    const { host, kept } = chosen(at, cluster, backups, { id, from });
    if (!yes && !(await agreed(at, { id, host, kept }))) return EXIT.failed;
    const wanted: Wanted = { id, host, sha256: kept.sha256, asked: idOf(new Date()) };
    const secrets = await (await secretsOf(at, cluster, { restore: wanted }))(state);
    const made = draft(cluster, state, { restore: wanted });
    const rollout = await waiting(at.io, 'Beginning the restore', () => apply(farweave, made, secrets));
    at.io.err.write(`${name} becomes what it was at ${printable(kept.until)}: ${host} has the backup.\n`);
    return await accompany(farweave, rollout, mannerOf(at));
  });
}

/** Of several hosts the one whose backup reaches furthest. */
function chosen(
  { self }: At,
  { hosts }: Cluster,
  backups: readonly Backup[],
  { id, from }: { readonly id: string; readonly from: string | undefined },
): Backup & { readonly kept: Kept } {
  const named = backups.filter((each) => each.id === id && (from === undefined || each.host === from));
  const whole = named.flatMap((each) => (each.kept ? [{ ...each, kept: each.kept }] : []));
  const [best] = whole.toSorted((a, b) => b.kept.until.localeCompare(a.kept.until));
  if (best) return best;
  const where = from === undefined ? '' : ` on ${from}`;
  throw new Failure(
    named.length > 0
      ? `The backup ${id} is damaged${where || ` on ${named.map(({ host }) => host).join(', ')}`}: nothing was touched.`
      : `There is no backup ${id}${where}: nothing was touched.`,
    {
      details: backupLines(backups, hosts),
      hint: backups.some(({ kept }) => kept) ? 'Name one of these.' : `${self} backup takes one.`,
      exitCode: EXIT.badInput,
    },
  );
}

async function agreed({ io, self }: At, { id, host, kept }: Backup & { readonly kept: Kept }): Promise<boolean> {
  io.err.write(
    `The data becomes what it was at ${printable(kept.until)}, from the backup ${id} on ${host}. What was written since is gone.\n` +
      'The forum is away from when the backup has been proven until all members have copied it.\n',
  );
  if (!io.canAsk)
    throw new Failure('Nobody is there to agree to it.', {
      hint: `${self} restore ${id} --yes restores without asking.`,
      exitCode: EXIT.badInput,
    });
  const yes = await confirm('Replace the data of the whole cluster?');
  if (!yes) io.err.write('Nothing was touched.\n');
  return yes;
}
