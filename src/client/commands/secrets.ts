import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { openVault } from '../../activities/vault.ts';
import { isAbsent } from '../../plan/sealed.ts';
import type { ClusterView } from '../../workflows/contract.ts';
import { type At, type Run, stateOf, teach, withCluster, writeJson } from '../command.ts';
import { EXIT, Failure } from '../errors.ts';
import { keygenOne } from './secrets/keygen.ts';
import { rotateSecrets } from './secrets/rotate.ts';
import { sealOne } from './secrets/seal.ts';

export function addSecrets(program: Command, run: Run): void {
  const secrets = program
    .command('secrets')
    .summary('what is kept sealed, and for whom')
    .description(
      'Passwords and keys that were made for the cluster, or given to it, are kept sealed for its workers. Who may read ' +
        "the workers' identity, a file in the state folder of the embedded server, may read them. A value that is sealed " +
        'for them can also stand in the cluster file: { age: … }.',
    );
  teach(secrets, [
    ['farweave secrets list', 'their names'],
    ['farweave secrets show nodebb.adminPassword', 'one of them, on stdout'],
    ['farweave secrets seal < password.txt', 'prints { age: … } for the cluster file'],
    ['farweave secrets rotate', 'a new identity, and all that is kept sealed for it'],
  ]);
  secrets.command('list').summary('list their names').description('Lists their names.').action(run(list));
  secrets
    .command('show')
    .summary('print one of them')
    .description('Prints the value, and nothing else, to stdout.')
    .argument('<name>', 'such as nodebb.adminPassword')
    .action(run(show));
  addSeal(secrets, run);
  addIdentities(secrets, run);
}

function addSeal(secrets: Command, run: Run): void {
  const collected = (value: string, before: readonly string[] = []) => [...before, value];
  const command = secrets
    .command('seal')
    .summary('seal a value for the workers')
    .description(
      'Prints { age: … }, which can stand in the cluster file wherever a secret can: only the workers can open it. The value ' +
        'is typed unseen, or comes on stdin; one newline at its end is dropped. What `age --armor --recipient` prints does as well.',
    )
    .argument('[name]', 'what it is, for the question; - takes stdin on a terminal too')
    .option(
      '--recipient <age1…>',
      'for whom; may be given several times (default: the workers of this server)',
      collected,
    )
    .action(run(sealOne));
  teach(command, [
    ['farweave secrets seal access.password', 'asks for it on the terminal'],
    ['farweave secrets seal --recipient age1… < key.pem', 'for workers that are elsewhere'],
  ]);
}

function addIdentities(secrets: Command, run: Run): void {
  const making = secrets
    .command('keygen')
    .summary('make an identity for workers')
    .description(
      'Makes the identity that opens what is sealed for workers, in a file that only its owner can read, and prints its ' +
        'recipient. Workers make one by themselves where there is none: this is for when several are to share it.',
    )
    .option('-o, --output <file>', 'where to (default: identity in the state folder)')
    .action(run(keygenOne));
  teach(making, [['farweave secrets keygen -o identity', 'prints age1…, for whom to seal']]);
  const rotating = secrets
    .command('rotate')
    .summary('give the workers a new identity')
    .description(
      'Makes a new identity for the workers and has all that clusters keep sealed anew for it. Meanwhile workers open what was ' +
        'sealed for either, and nothing needs a restart. It can be called again wherever it was broken off, and says what is ' +
        'to be done before --retire ends the former identity.',
    )
    .option('--retire', 'the former identity opens nothing any more')
    .option('--force', 'with --retire: though something still needs it')
    .action(run(rotateSecrets));
  teach(rotating, [
    ['farweave secrets rotate', 'begins, or goes on'],
    ['farweave secrets rotate --retire', 'ends it, once nothing needs the former identity'],
  ]);
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
