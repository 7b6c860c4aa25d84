import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import * as z from 'zod';
import type { Global, Run } from './command.ts';
import { addAccess } from './commands/access.ts';
import { addApply } from './commands/apply.ts';
import { addBackup } from './commands/backup.ts';
import { addCluster } from './commands/cluster.ts';
import { addControl } from './commands/control.ts';
import { addDemo } from './commands/demo.ts';
import { addDestroy } from './commands/destroy.ts';
import { addDev } from './commands/dev.ts';
import { addDrift } from './commands/drift.ts';
import { addEvents } from './commands/events.ts';
import { addHost } from './commands/host.ts';
import { addHostkeys } from './commands/hostkeys.ts';
import { addInit } from './commands/init.ts';
import { addLab } from './commands/lab.ts';
import { addPlan } from './commands/plan.ts';
import { addRestore } from './commands/restore.ts';
import { addRevisions } from './commands/revisions.ts';
import { addRevisit } from './commands/revisit.ts';
import { addSecrets } from './commands/secrets.ts';
import { addStatus } from './commands/status.ts';
import { addValidate } from './commands/validate.ts';
import { addVerify } from './commands/verify.ts';
import { addWatch } from './commands/watch.ts';
import { addWorker } from './commands/worker.ts';
import { tell } from './failures.ts';
import type { Io } from './io.ts';
import { refuseStray } from './stray.ts';

const EPILOGUE = `
A first rollout:
  farweave init root@192.0.2.10 root@192.0.2.11 root@192.0.2.12
  farweave validate        what is wrong with cluster.yaml, with lines
  farweave plan            what would be done, in which order
  farweave plan --check    what differs on the hosts, and the commands that would run
  farweave apply           do it; again: 0 changed

Exit codes:
  0    done
  1    the rollout or a verification failed, is paused on a failure, or was refused
  2    the command line, cluster.yaml or a secret is wrong; nothing was touched
  3    Temporal or its workers could not be reached or started
  4    farweave drift has found something that differs
  130  interrupted; a rollout that had begun goes on (farweave watch)

Environment:
  FARWEAVE_STATE      folder of the embedded server and its keys (see --state)
  FARWEAVE_UI         base address of Temporal's Web UI, where it cannot be known
  FARWEAVE_RECIPIENT  the workers' age recipient, where they run elsewhere
  FARWEAVE_PASSPHRASE of the file of cluster export and cluster adopt
  FARWEAVE_CACHE      where downloads are kept (~/.cache/farweave)
  TEMPORAL_CLI        path of Temporal's command line program
  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE and the rest as Temporal has them
  NO_COLOR            no colours`;

/** In the order of the help. */
const COMMANDS = [
  addInit,
  addValidate,
  addPlan,
  addApply,
  addStatus,
  addEvents,
  addWatch,
  addVerify,
  addDrift,
  addBackup,
  addRestore,
  addControl,
  addRevisit,
  addRevisions,
  addHost,
  addHostkeys,
  addAccess,
  addSecrets,
  addCluster,
  addDestroy,
  addWorker,
  addDev,
  addLab,
  addDemo,
];

/** The whole command line. Gives the exit code; never rejects. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let exitCode = 0;
  let self = io.env['FARWEAVE_SELF'] || 'farweave';
  const wrap: Run =
    (handler) =>
    async (...given) => {
      const command = given.at(-1) as Command;
      const global = command.optsWithGlobals<Global>();
      const parameters = given.slice(0, -1) as never[];
      self = selfOf(io, global);
      exitCode = await handler({ io, global, self }, ...parameters);
    };
  const program = build(wrap, io);
  try {
    refuseStray(program, argv);
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    return tell(error, io, { json: argv.includes('--json'), debug: argv.includes('--debug'), self });
  }
}

/** All commands; `wrap` makes an action of what each does. */
export function build(wrap: Run, io: Io): Command {
  const program = new Command('farweave')
    .description('Rolls clusters out over SSH as durable Temporal workflows: plan, apply, crash, go on.')
    .version(version())
    .option('-f, --file <path>', 'the cluster', 'cluster.yaml')
    .option('--json', 'one JSON document on stdout; everything else goes to stderr')
    .option('--no-color', 'no colours (also NO_COLOR)')
    .option('--debug', 'show where an error came from')
    .addOption(
      new Option(
        '--state <folder>',
        'the embedded server (default: .farweave beside the cluster file if there is one, else $XDG_STATE_HOME/farweave)',
      ).helpGroup('Temporal:'),
    )
    .addOption(
      new Option('--address <host:port>', 'a Temporal server instead of the embedded one').helpGroup('Temporal:'),
    )
    .addOption(new Option('--namespace <name>', 'its namespace (default: "default")').helpGroup('Temporal:'))
    .addOption(new Option('--profile <name>', "a profile of Temporal's configuration file").helpGroup('Temporal:'))
    .addHelpText('after', EPILOGUE)
    .helpCommand(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out.write(text),
      writeErr: (text) => io.err.write(text),
      getOutHelpWidth: () => io.out.size().columns,
      getErrHelpWidth: () => io.err.size().columns,
      getOutHasColors: () => io.color,
      getErrHasColors: () => io.color,
    });
  for (const add of COMMANDS) add(program, wrap);
  return program;
}

function selfOf(io: Io, global: Global): string {
  return [
    io.env['FARWEAVE_SELF'] || 'farweave',
    ...(global.file === 'cluster.yaml' ? [] : ['-f', global.file]),
    ...(global.state ? ['--state', global.state] : []),
    ...(global.address ? ['--address', global.address] : []),
    ...(global.profile ? ['--profile', global.profile] : []),
  ].join(' ');
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, 'utf8'))).version;
}
