import type { Command } from 'commander';
import { accompany } from '../accompany.ts';
import { type At, mannerOf, mustBeKnown, type Run, readSpec, teach, withTemporal } from '../command.ts';
import { followUp } from '../index.ts';
import { waiting } from '../waiting.ts';

interface Options {
  readonly reason?: string;
}

export function addRevisit(program: Command, run: Run): void {
  const command = program
    .command('revisit')
    .summary('try the parked hosts again now')
    .description(
      'Brings hosts that a rollout has left out to the latest revision. One that nobody could reach is brought along by ' +
        'itself as soon as it answers; this is for those who would not wait, and for hosts that were left out for another ' +
        'reason. Other plans do not have to wait for it: it gives way to them.',
    )
    .argument('[hosts...]', 'which of the parked hosts (default: all but those that somebody has skipped)')
    .option('--reason <text>', 'for those who come after')
    .action(run(revisit));
  teach(command, [
    ['farweave revisit', 'all'],
    ["farweave revisit vm2 --reason 'new disk'", 'vm2, also if it was skipped'],
    ['farweave status', 'says who is parked, since when and why'],
  ]);
}

async function revisit(at: At, hosts: readonly string[], { reason }: Options): Promise<number> {
  const { name } = await readSpec(at);
  mustBeKnown(at, name);
  return await withTemporal(at, async (farweave) => {
    const asked = { ...(hosts.length > 0 && { hosts }), ...(reason && { reason }) };
    const { said, rollout } = await waiting(at.io, 'Beginning the follow-up', () => followUp(farweave, name, asked));
    at.io.err.write(`${said}\n`);
    return await accompany(farweave, { cluster: name, ...rollout! }, mannerOf(at));
  });
}
