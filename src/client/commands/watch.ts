import { type Command, InvalidArgumentError } from 'commander';
import { rolloutId } from '../../workflows/contract.ts';
import { accompany } from '../accompany.ts';
import { type At, mannerOf, mustBeKnown, type Run, readSpec, teach, withTemporal } from '../command.ts';
import { latestRevision } from '../index.ts';

export function addWatch(program: Command, run: Run): void {
  const command = program
    .command('watch')
    .summary('come back to a rollout')
    .description(
      'Watches the rollout that runs, or shows how the last one ended. Ctrl-C ends the watching only. ' +
        'With --json each change of state is a line of JSON, and the last line is the outcome.',
    )
    .argument('[revision]', 'another rollout than the latest', wholeNumber)
    .action(run(watch));
  teach(command, [
    ['farweave watch', 'the latest rollout'],
    ['farweave watch 3', 'revision 3'],
    ['farweave watch --json', 'changes of state as JSON lines'],
  ]);
}

async function watch(at: At, revision: number | undefined): Promise<number> {
  const { name } = await readSpec(at);
  mustBeKnown(at, name);
  return await withTemporal(at, async (farweave) => {
    const wanted = revision ?? (await latestRevision(farweave, name));
    const rollout = { cluster: name, revision: wanted, workflowId: rolloutId(name, wanted) };
    return await accompany(farweave, rollout, mannerOf(at, { events: true }));
  });
}

function wholeNumber(value: string): number {
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('A revision is a whole number, such as 3.');
}
