import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { type At, type Run, serverOf, stateOf, teach } from '../command.ts';
import { isServerNamed } from '../connection.ts';
import { up } from '../dev/embedded.ts';
import { devFiles } from '../dev/state.ts';
import { workerProgram } from '../dev/worker.ts';
import { EXIT, Failure } from '../errors.ts';
import { waiting } from '../waiting.ts';

interface Options {
  readonly site?: string;
  readonly concurrency?: number;
  readonly sessions?: number;
  readonly startsPerSecond?: number;
  readonly rate?: number;
}

export function addWorker(program: Command, run: Run): void {
  const worker = program
    .command('worker')
    .summary('run a worker in the foreground')
    .description(
      'Runs a worker until Ctrl-C, for the server that --address, --profile or the environment names, else for the embedded ' +
        'one. With --site it runs inside a data center and works on the hosts there only, whose site says `workers: own`. It ' +
        'calls out to the server and nobody calls it, so neither it nor its hosts need a public address. What runs on hosts ' +
        'when it ends runs on, and the next worker follows it.',
    )
    .option('--site <name>', 'work on the hosts of this site, and run no workflows')
    .option('--concurrency <number>', 'hosts at once (default: 100)', wholeNumber)
    .option('--sessions <number>', 'connections to hosts that may be open at once', wholeNumber)
    .option('--starts-per-second <number>', 'connections to hosts that may begin within a second', wholeNumber)
    .option('--rate <number>', 'activities a second that the server hands to all workers of this queue', wholeNumber)
    .action(run(runWorker));
  teach(
    worker,
    [
      ['farweave worker', 'one more worker for everything'],
      ['farweave worker --site ams', 'the work on hosts of ams, from inside it'],
      ['farweave --profile prod worker --site ams --sessions 20', 'with TLS and keys as the profile has them'],
    ],
    `It opens secrets by the file identity in the folder of --state: copy that of the other workers there (mode 0600).
Options may stand in the environment: FARWEAVE_SITE, FARWEAVE_CONCURRENCY, FARWEAVE_SESSIONS, FARWEAVE_STARTS_PER_SECOND,
FARWEAVE_RATE. docs/sites.md has a unit for systemd.`,
  );
}

/** Gives the exit code of the worker. */
async function runWorker(at: At, options: Options): Promise<number> {
  const { io, global } = at;
  const state = stateOf(at);
  const env = {
    ...io.env,
    FARWEAVE_STATE: state,
    ...only({
      TEMPORAL_ADDRESS: global.address ?? (await embeddedAddress(at, options)),
      TEMPORAL_NAMESPACE: global.namespace,
      TEMPORAL_PROFILE: global.profile,
      FARWEAVE_SITE: options.site,
      FARWEAVE_CONCURRENCY: options.concurrency,
      FARWEAVE_SESSIONS: options.sessions,
      FARWEAVE_STARTS_PER_SECOND: options.startsPerSecond,
      FARWEAVE_RATE: options.rate,
    }),
  };
  const worker = spawn(process.execPath, [workerProgram], { env, stdio: 'inherit' });
  // Ctrl-C reaches the worker by itself, and a service manager's signal is passed on; this program waits for it.
  const restore = io.onInterrupt(() => {});
  const end = () => worker.kill('SIGTERM');
  process.once('SIGTERM', end);
  const [code] = await once(worker, 'exit');
  process.removeListener('SIGTERM', end);
  restore();
  return typeof code === 'number' ? code : EXIT.failed;
}

/** Where no other server is named. One that has never run is not started for a data center to find nothing there. */
async function embeddedAddress(at: At, { site = at.io.env['FARWEAVE_SITE'] }: Options): Promise<string | undefined> {
  if (isServerNamed(serverOf(at))) return undefined;
  const state = stateOf(at);
  if (site !== undefined && !existsSync(devFiles(state).data))
    throw new Failure(`Which server is the worker of ${site} to work for?`, {
      hint: 'Name it: --address HOST:PORT, --profile NAME, or TEMPORAL_ADDRESS in the environment.',
      exitCode: EXIT.badInput,
    });
  const { address } = await waiting(at.io, 'Starting', (progress) => up(state, { env: at.io.env, progress }));
  return address;
}

function only(variables: Readonly<Record<string, string | number | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

function wholeNumber(value: string): number {
  if (/^[1-9]\d{0,4}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('Wants a whole number, 1 at least.');
}
