import type { Command } from 'commander';
import { type At, type Run, stateOf, teach, writeJson } from '../command.ts';
import { down, look, up } from '../dev/embedded.ts';
import { lastLines } from '../dev/server.ts';
import { EXIT, Failure } from '../errors.ts';
import { table } from '../format.ts';
import { waiting } from '../waiting.ts';

export function addDev(program: Command, run: Run): void {
  const dev = program
    .command('dev')
    .summary('the embedded Temporal server and its worker')
    .description(
      "Temporal's development server with its data in a file, bound to this machine, and one worker: both in the " +
        'background. Other commands start them by themselves where no other Temporal is named, start again what has died, ' +
        'and give the worker the code as it is now. Rollouts live through a kill of either.',
    );
  teach(dev, [
    ['farweave dev up', 'start both, print where they are'],
    ['farweave dev status', 'what runs, and where its logs are'],
    ['farweave dev logs worker', 'the end of a log'],
    ['farweave dev down', 'end both; the data stays'],
  ]);
  dev.command('up').summary('start server and worker').description('Starts what does not run yet.').action(run(devUp));
  dev
    .command('down')
    .summary('end server and worker')
    .description('Ends both. Data and logs stay.')
    .action(run(devDown));
  dev
    .command('status')
    .summary('what runs')
    .description('Exit code 1 where one of them does not run.')
    .action(run(devStatus));
  dev
    .command('logs')
    .summary('the end of a log')
    .description('Prints the end of the log of the server or the worker.')
    .argument('[which]', 'server or worker', 'worker')
    .option('-n, --lines <number>', 'how many lines', '50')
    .action(run(devLogs));
}

async function devUp(at: At): Promise<number> {
  const embedded = await waiting(at.io, 'Starting', (progress) => up(stateOf(at), { env: at.io.env, progress }));
  if (at.global.json) writeJson(at, embedded);
  else
    at.io.out.write(
      `${table([
        ['Temporal', embedded.address],
        ['Web UI', embedded.ui],
        ['HTTP API', `${embedded.http}/api/v1`],
        ['Logs', look(stateOf(at)).files.folder],
      ]).join('\n')}\n`,
    );
  return EXIT.ok;
}

async function devDown(at: At): Promise<number> {
  const ran = await waiting(at.io, 'Ending', (progress) => down(stateOf(at), progress));
  if (at.global.json) writeJson(at, { ran });
  else at.io.out.write(ran ? 'Server and worker have ended. Their data stays.\n' : 'Nothing ran.\n');
  return EXIT.ok;
}

async function devStatus(at: At): Promise<number> {
  const { server, worker, files } = look(stateOf(at));
  if (at.global.json) writeJson(at, { server: server ?? null, worker: worker ?? null, folder: files.folder });
  else
    at.io.out.write(
      `${table([
        ['Server', server ? `${server.address}, pid ${server.pid}` : 'does not run'],
        ...(server ? [['Web UI', server.ui]] : []),
        ['Worker', worker ? `pid ${worker.pid}${worker.current ? '' : ', with other code'}` : 'does not run'],
        ['Data', files.data],
        ['Logs', `${files.log.server}, ${files.log.worker}`],
      ]).join('\n')}\n`,
    );
  return server && worker ? EXIT.ok : EXIT.failed;
}

async function devLogs(at: At, which: string, { lines }: { readonly lines: string }): Promise<number> {
  const { log } = look(stateOf(at)).files;
  if (which !== 'server' && which !== 'worker')
    throw new Failure(`There is no log of ${which}: wants server or worker.`, { exitCode: EXIT.badInput });
  if (!/^\d{1,6}$/.test(lines)) throw new Failure(`--lines wants a number, not ${lines}.`, { exitCode: EXIT.badInput });
  at.io.out.write(`${lastLines(log[which], Number(lines)).join('\n')}\n`);
  return EXIT.ok;
}
