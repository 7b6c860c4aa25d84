import type { Command } from 'commander';
import type { Revision } from '../../workflows/contract.ts';
import { type At, type Run, teach, withCluster, writeJson } from '../command.ts';
import { EXIT } from '../errors.ts';
import { count, printable, table } from '../format.ts';

export function addRevisions(program: Command, run: Run): void {
  const command = program
    .command('revisions')
    .summary('list the last applies')
    .description(
      'Lists the last applies with their plans. Of the last few the plan is kept too: these can be gone back to. ' +
        'Verifications have a revision as well, but change nothing, and are not listed.',
    )
    .action(run(revisions));
  teach(command, [
    ['farweave revisions', 'the newest last'],
    ['farweave rollback --to 3', 'carry the plan of revision 3 out once more'],
  ]);
}

async function revisions(at: At): Promise<number> {
  return await withCluster(at, async (_farweave, name, state) => {
    const all = state.revisions ?? [];
    if (at.global.json) writeJson(at, { cluster: name, revisions: all });
    else
      at.io.out.write(
        table(all.map(row))
          .map((line) => `${line}\n`)
          .join(''),
      );
    return EXIT.ok;
  });
}

function row({ revision, at, by, digest, hosts, state, follows, goesBackTo, kept }: Revision): readonly string[] {
  const notes = [
    ...(follows === undefined ? [] : [`follows up ${follows}`]),
    ...(goesBackTo === undefined ? [] : [`the plan of ${goesBackTo}`]),
    ...(kept ? [] : ['plan not kept']),
  ];
  return [
    String(revision),
    at.slice(0, 19).replace('T', ' '),
    printable(by),
    state ?? 'runs',
    `plan ${digest.slice(0, 16)}`,
    count(hosts, 'host'),
    notes.join(', '),
  ];
}
