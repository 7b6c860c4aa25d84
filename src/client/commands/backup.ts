import type { Command } from 'commander';
import { backupLines } from '../backup-lines.ts';
import { findBackups, takeBackup } from '../backups.ts';
import { type At, type Run, teach, withCluster, writeJson } from '../command.ts';
import { EXIT } from '../errors.ts';
import { problemLines } from '../report.ts';

export function addBackup(program: Command, run: Run): void {
  const command = program
    .command('backup')
    .summary('take a backup of what the cluster keeps, and prove it')
    .description(
      'Copies the data of a secondary, which is locked while its files are copied; the cluster serves on. The copy is then ' +
        'laid back into a MongoDB by itself, in which every collection is read: only what has passed is a backup. It stays on ' +
        'the host that it was taken on (/var/lib/farweave/backups, for root only), by default on two hosts of different ' +
        'sites, and the last seven are kept: roles.mongodb.backup in the cluster file.',
    )
    .action(run(take));
  teach(
    command,
    [
      ['farweave backup', 'take one now'],
      ['farweave backup list', 'which there are, and where'],
      ['farweave apply --backup', 'take one, and apply only if it was proven'],
      ['farweave restore 20261125-143005', 'lay one back'],
    ],
    'Exit codes: 0 taken and proven; 1 failed; 2 bad input; 3 no Temporal; 130 Ctrl-C (it goes on).',
  );
  const list = command
    .command('list')
    .summary('list the backups that hosts have')
    .description('Asks all hosts which backups they have: a line a backup and host, the oldest first.')
    .action(run(listBackups));
  teach(list, [
    ['farweave backup list', 'a line a backup and host'],
    ['farweave backup list --json', 'for scripts'],
  ]);
}

async function take(at: At): Promise<number> {
  return await withCluster(at, (farweave, _name, state, cluster) => takeBackup(at, farweave, cluster, state));
}

async function listBackups(at: At): Promise<number> {
  return await withCluster(at, async (farweave, name, state, cluster) => {
    const { backups, problems } = await findBackups(at, farweave, cluster, state);
    if (at.global.json) writeJson(at, { cluster: name, backups, problems });
    else {
      const lines = backupLines(backups, cluster.hosts);
      at.io.out.write(`${lines.length > 0 ? lines.join('\n') : `There is no backup of ${name} yet.`}\n`);
      for (const line of problemLines(problems, at.io)) at.io.err.write(`${line}\n`);
    }
    return problems.length > 0 ? EXIT.failed : EXIT.ok;
  });
}
