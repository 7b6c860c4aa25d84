import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { openVault } from '../../activities/vault.ts';
import type { ClusterView } from '../../workflows/contract.ts';
import { type At, type Run, stateOf, teach, withCluster, writeJson } from '../command.ts';
import { EXIT, Failure } from '../errors.ts';
import { isAbsent } from '../spared.ts';

export function addSecrets(program: Command, run: Run): void {
  const secrets = program
    .command('secrets')
    .summary('what the cluster keeps sealed')
    .description(
      'Passwords and keys that were made for the cluster, or given to it, are kept sealed for its workers. Who may read ' +
        "the workers' identity, a file in the state folder of the embedded server, may read them.",
    );
  teach(secrets, [
    ['farweave secrets list', 'their names'],
    ['farweave secrets show nodebb.adminPassword', 'one of them, on stdout'],
  ]);
  secrets.command('list').summary('list their names').description('Lists their names.').action(run(list));
  secrets
    .command('show')
    .summary('print one of them')
    .description('Prints the value, and nothing else, to stdout.')
    .argument('<name>', 'such as nodebb.adminPassword')
    .action(run(show));
}

async function list(at: At): Promise<number> {
  const names = kept(await sealedOf(at)).toSorted((one, other) => one.localeCompare(other));
  if (at.global.json) writeJson(at, { secrets: names });
  else at.io.out.write(names.map((name) => `${name}\n`).join(''));
  return EXIT.ok;
}

async function show(at: At, name: string): Promise<number> {
  const sealed = (await sealedOf(at))[name];
  if (sealed === undefined || isAbsent(sealed)) {
    throw new Failure(`The cluster keeps no secret called ${name}.`, { hint: `${at.self} secrets list names them.` });
  }
  const state = stateOf(at);
  // Opening a vault would make one.
  const vault = existsSync(join(state, 'identity')) ? await openVault(state) : undefined;
  const value = await vault?.open(sealed).catch(() => undefined);
  if (value === undefined) {
    throw new Failure(`${name} is sealed for workers whose identity is not in ${state}.`, {
      hint: 'Run this where the workers are, with --state and their state folder.',
    });
  }
  if (at.global.json) writeJson(at, { name, value });
  else at.io.out.write(`${value}\n`);
  return EXIT.ok;
}

/** What was not needed is not kept. */
function kept(sealed: ClusterView['sealed']): readonly string[] {
  return Object.keys(sealed).filter((name) => !isAbsent(sealed[name]!));
}

async function sealedOf(at: At): Promise<ClusterView['sealed']> {
  return await withCluster(at, async (_farweave, _name, { sealed }) => sealed);
}
