import type { Command } from 'commander';
import { type Run, teach } from '../command.ts';
import { adoptCluster } from './cluster/adopt.ts';
import { exportCluster } from './cluster/export.ts';
import { listClusters } from './cluster/list.ts';
import { printSpec } from './cluster/spec.ts';

export function addCluster(program: Command, run: Run): void {
  const cluster = program
    .command('cluster')
    .summary('move the cluster to another server, list clusters')
    .description(
      'A cluster belongs to one Temporal server, and its hosts know to which: rollouts from another one are refused. ' +
        'To go on elsewhere, export it there where it lives, and adopt it where it is to live. ' +
        'Where the server was lost, its hosts have a copy.',
    );
  teach(cluster, [
    ['farweave cluster export', 'on the machine that has it'],
    ['farweave cluster adopt forum.farweave.age', 'on the one that takes it over'],
    ['farweave cluster adopt --from-hosts', "after the loss of the server's file"],
  ]);

  const listing = cluster
    .command('list')
    .summary('list the clusters that this server knows')
    .description('Lists the clusters that this server knows: name, revision, and what the last rollout came to.')
    .action(run(listClusters));
  teach(listing, [
    ['farweave cluster list', ''],
    ["farweave cluster list --json | jq -r '.clusters[].cluster'", 'for scripts'],
  ]);

  const spec = cluster
    .command('spec')
    .summary('print the cluster file as the cluster has it')
    .description(
      'Prints the cluster file that was applied last, comments and all, with the hosts that have come or gone since: for ' +
        'whoever has an older one.',
    )
    .option('-o, --output <file>', 'write it there')
    .option('--force', 'replace a file that is there')
    .action(run(printSpec));
  teach(spec, [
    ['farweave cluster spec | diff cluster.yaml -', 'what is different'],
    ['farweave cluster spec -o cluster.yaml --force', 'take it over'],
  ]);

  const exporting = cluster
    .command('export')
    .summary('write the cluster into a file, to go on elsewhere')
    .description(
      'Writes everything that the cluster is (what was learnt of its hosts, its secrets, and the identity that opens them) into ' +
        'one file, encrypted with a passphrase: age --decrypt opens it too. From then on this server refuses to roll the ' +
        'cluster out, until it is adopted back. Refused while a rollout runs. Hosts are not touched.',
    )
    .option('-o, --output <file>', 'where to (default: CLUSTER.farweave.age)')
    .option('--force', 'replace a file that is there')
    .option('--keep', 'a backup: the cluster stays here')
    .action(run(exportCluster));
  teach(
    exporting,
    [
      ['farweave cluster export', 'asks for a passphrase'],
      ['farweave cluster export --keep -o /backup/forum.age', 'a backup: rollouts go on from here'],
    ],
    PASSPHRASE,
  );

  const adopting = cluster
    .command('adopt')
    .summary('go on with a cluster that lived elsewhere')
    .description(
      'Takes up what farweave cluster export has written. Its secrets are sealed anew for the workers here, and its hosts ' +
        'accept rollouts from here at once. Refused where this server knows the cluster already. ' +
        'With --from-hosts no file is needed: the hosts of the cluster file are asked whose they are, and the newest copy ' +
        'that a rollout has left on them is taken. Its secrets can be read only where the identity of the old workers ' +
        '(the file identity in the state folder) still is.',
    )
    .argument('[file]', 'as farweave cluster export wrote it')
    .option('--from-hosts', 'take the copy that lies on the hosts')
    .option('--without-secrets', 'go on although secrets cannot be opened: they are lost')
    .option('--force', 'in the place of what this server knows of the cluster')
    .option('-y, --yes', 'do not ask')
    .action(run(adoptCluster));
  teach(
    adopting,
    [
      ['farweave cluster adopt forum.farweave.age', 'asks for its passphrase'],
      ['farweave -f forum.yaml cluster adopt --from-hosts', 'the server is lost, the hosts are not'],
    ],
    `${PASSPHRASE} --from-hosts cannot tell whether the old server is gone: see to it that it is, or it goes on too.`,
  );
}

const PASSPHRASE = 'The passphrase is asked for on a terminal; scripts put it into $FARWEAVE_PASSPHRASE.';
