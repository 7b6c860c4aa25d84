import type { Command } from 'commander';
import { accompany } from '../accompany.ts';
import { type At, mannerOf, type Run, readSpec, secretsOf, teach, withTemporal } from '../command.ts';
import { EXIT, Failure } from '../errors.ts';
import { apply, draft, status } from '../index.ts';
import { waiting } from '../waiting.ts';

export function addVerify(program: Command, run: Run): void {
  const command = program
    .command('verify')
    .summary('prove that the cluster is what it should be')
    .description(
      'Runs all checks of the cluster file, from the hosts and from outside, and prints a line for each. Changes nothing. ' +
        'The costly proofs that an apply makes only after a change are made too.',
    )
    .action(run(verify));
  teach(
    command,
    [
      ['farweave verify', 'a line for each check'],
      ['farweave verify --json', 'the outcome as JSON'],
    ],
    'Exit codes: 0 all checks hold; 1 one does not.',
  );
}

async function verify(at: At): Promise<number> {
  const cluster = await readSpec(at);
  const secrets = await secretsOf(at, cluster, 'verify');
  return await withTemporal(at, async (farweave) => {
    const state = await status(farweave, cluster.name);
    const values = await secrets(state);
    const made = draft(cluster, state, 'verify');
    if (made.plan.stages.length === 0)
      throw new Failure('No role of this cluster has anything to check.', { exitCode: EXIT.badInput });
    const rollout = await waiting(at.io, 'Beginning the verification', () => apply(farweave, made, values));
    return await accompany(farweave, rollout, mannerOf(at));
  });
}
