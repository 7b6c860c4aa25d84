import { type Command, InvalidArgumentError } from 'commander';
import { type At, type Run, teach, withCluster, writeJson } from '../command.ts';
import { EXIT } from '../errors.ts';
import { eventLines } from '../report.ts';

interface Options {
  readonly lines: number;
}

export function addEvents(program: Command, run: Run): void {
  const command = program
    .command('events')
    .summary('who did what, and when')
    .description(
      'Prints what has happened to the cluster, the newest last: rollouts that began and ended, and what somebody asked of ' +
        'them and why. The last 200 events are kept.',
    )
    .option('-n, --lines <number>', 'how many', wholeNumber, 20)
    .action(run(events));
  teach(command, [
    ['farweave events', 'the last 20'],
    ['farweave events -n 200 --json', 'all that are kept, for scripts'],
  ]);
}

async function events(at: At, { lines }: Options): Promise<number> {
  return await withCluster(at, async (_farweave, name, state) => {
    const latest = state.events.slice(-lines);
    if (at.global.json) writeJson(at, { cluster: name, events: latest });
    else
      at.io.out.write(
        eventLines(latest, at.io)
          .map((line) => `${line}\n`)
          .join(''),
      );
    return EXIT.ok;
  });
}

function wholeNumber(value: string): number {
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('Wants a whole number, 1 at least.');
}
