import type { Command } from 'commander';
import { type Run, teach } from '../command.ts';
import { addOne, approveOne, removeSome, replaceOne, withdrawOne } from './host/change.ts';
import { listHosts } from './host/list.ts';

export function addHost(program: Command, run: Run): void {
  const host = program
    .command('host')
    .summary('add, remove and replace hosts of a cluster that serves')
    .description(
      'Changes the hosts of a cluster while it serves. What is asked for while a rollout runs waits for its turn; the ' +
        'cluster file is brought along. Rollouts that come of it are like any other: farweave watch, pause, cancel.',
    );
  teach(host, [
    ['farweave host add vm3 192.0.2.13 --site fra', 'one more'],
    ['farweave host remove vm2', 'out of every layer in order; also one that is dead'],
    ['farweave host replace vm0 192.0.2.20', 'a new machine for a dead one, under the same name'],
    ['farweave host list', 'who is in, who comes, who goes'],
  ]);

  const adding = joining(host.command('add'))
    .summary('take a host in')
    .description(
      'Takes a host into the cluster. Only what is needed is rolled out: all of it on the new host, and on the others what ' +
        'they must know of it. It is reached as `access` in the cluster file says, unless told otherwise here.',
    )
    .argument('<name>', 'unique in the cluster')
    .argument('<address>', '[user@]address[:port]')
    .requiredOption('--site <name>', 'the site that it stands in')
    .action(run(addOne));
  teach(adding, [
    ['farweave host add vm3 192.0.2.13 --site fra', ''],
    ['farweave host add vm3 admin@192.0.2.13:2222 --site fra --password env:VM3_PASSWORD', 'with a login of its own'],
    ['farweave host add vm4 192.0.2.14 --site fra --role mongodb', 'roles that name their hosts in the file'],
  ]);

  const removing = host
    .command('remove')
    .summary('take hosts out')
    .description(
      'Takes hosts out of the cluster: services move off, the others forget them, and what Farweave has brought is taken ' +
        'away again. A host that does not answer is left as it is, and the others go on without it. Refused where a ' +
        'service would lose its quorum.',
    )
    .argument('<hosts...>', 'such as vm2')
    .option('--force', 'even where a service loses its quorum')
    .option('--data', 'erase what services have kept there, such as its copy of the database')
    .option('-y, --yes', 'do not ask')
    .option('--detach', 'begin and return at once')
    .option('--reason <text>', 'for those who come after')
    .action(run(removeSome));
  teach(removing, [
    ['farweave host remove vm2', 'asks first'],
    ["farweave host remove vm2 --yes --reason 'contract ends'", 'for scripts'],
  ]);

  const replacing = joining(host.command('replace'))
    .summary('put another machine in the place of a host')
    .description(
      'Takes a machine in and the host out whose place it takes, in one rollout: the new one comes first. Under the same ' +
        'name, unless --as gives another. The old one may be dead, the first host, or the primary of the database.',
    )
    .argument('<host>', 'that leaves')
    .argument('<address>', '[user@]address[:port] of the machine that comes')
    .option('--as <name>', 'what the new one is called (default: as the old one)')
    .option('--site <name>', 'the site that it stands in (default: that of the old one)')
    .option('--force', 'even where a service loses its quorum')
    .option('--data', 'erase what services have kept there, such as its copy of the database')
    .option('-y, --yes', 'do not ask')
    .action(run(replaceOne));
  teach(replacing, [
    ['farweave host replace vm0 192.0.2.20', 'the first host has died'],
    ['farweave host replace vm0 192.0.2.20 --as vm7 --site nyc', 'under another name, elsewhere'],
  ]);

  const listing = host
    .command('list')
    .summary('list hosts, and changes that were asked for')
    .description(
      'Lists the hosts of the cluster with their roles, and the changes of hosts that wait, run or have ended.',
    )
    .action(run(listHosts));
  teach(listing, [
    ['farweave host list', ''],
    ["farweave host list --json | jq -r '.hosts[].name'", 'for scripts'],
  ]);

  const approving = host
    .command('approve')
    .summary('say that the key of a host that came by signal is right')
    .description(
      'A host that was added by a signal without its key is sent nothing until somebody has compared the key that it shows ' +
        'with what ssh-keygen -lf says on its console.',
    )
    .argument('<id>', 'of the request, as farweave host list has it')
    .action(run(approveOne));
  teach(approving, [['farweave host approve h3', '']]);

  const withdrawing = host
    .command('withdraw')
    .summary('take a request back')
    .description('Takes a change of hosts back that has not begun.')
    .argument('<id>', 'of the request, as farweave host list has it')
    .action(run(withdrawOne));
  teach(withdrawing, [['farweave host withdraw h3', '']]);
}

/** What there is to say of a host that comes. */
function joining(command: Command): Command {
  const collected = (value: string, before: readonly string[] = []) => [...before, value];
  return command
    .option('--host-key <SHA256:…>', 'the fingerprint that it must show (default: the first one is taken)')
    .option('--via <bastion>', 'the bastion that leads to it (default: as its site has it)')
    .option('--label <key=value>', 'a label; may be given several times', collected)
    .option('--role <name>', 'a role with a list of hosts to join; may be given several times', collected)
    .option('--password <env:NAME|file:PATH|worker:ENTRY|age:SEALED>', 'a login password of its own, by reference')
    .option('--private-key <file:PATH|env:NAME|worker:ENTRY|age:SEALED>', 'a private key of its own, by reference')
    .option('--sudo-password <env:NAME|file:PATH|worker:ENTRY|age:SEALED>', 'what its sudo asks for, by reference')
    .option('--detach', 'begin and return at once')
    .option('--reason <text>', 'for those who come after');
}
