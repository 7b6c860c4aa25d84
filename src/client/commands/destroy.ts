import type { Command } from 'commander';
import { accompany } from '../accompany.ts';
import {
  type At,
  mannerOf,
  mustBeKnown,
  type Run,
  readSpec,
  secretsOf,
  teach,
  unknownCluster,
  withTemporal,
} from '../command.ts';
import { askFor } from '../confirm.ts';
import { EXIT, Failure } from '../errors.ts';
import { apply, type Draft, draft, status, unschedule } from '../index.ts';
import { endingLines } from '../report.ts';
import { waiting } from '../waiting.ts';
import { removeSome } from './host/change.ts';

interface Options {
  readonly data?: boolean;
  readonly yes?: boolean;
}

export function addDestroy(program: Command, run: Run): void {
  const command = program
    .command('destroy')
    .summary('leave the hosts as they were found')
    .description(
      'Takes back on every host what Farweave has ever added there, by what was recorded as it was added: containers, images, ' +
        'the mesh, packages, files. Data stays (the folders of MongoDB and of uploads, backups), and so do the passwords that ' +
        'open it, so that a later apply finds it again; with --data it is erased, and the cluster is forgotten but for its ' +
        'events. Asks for the name of the cluster first. A host that does not answer is left out and told of: destroy again ' +
        'when it is back. With HOSTS only these leave the cluster, in order, and the others go on serving: the same as ' +
        'farweave host remove.',
    )
    .argument('[hosts...]', 'only these (default: the whole cluster)')
    .option('--data', 'erase the data too, for good')
    .option('-y, --yes', 'do not ask')
    .action(run(destroy));
  teach(
    command,
    [
      ['farweave plan --destroy', 'what would be taken back, in which order'],
      ['farweave destroy', 'ask for the name of the cluster, then do it; data stays'],
      ['farweave destroy --data --yes', 'without a question, and with the data'],
      ['farweave destroy vm2', 'vm2 alone leaves the cluster'],
    ],
    'Exit codes: 0 done; 1 a host was left out, or refused; 2 bad input; 3 no Temporal; 130 Ctrl-C (it goes on).',
  );
}

async function destroy(at: At, hosts: readonly string[], { data = false, yes = false }: Options): Promise<number> {
  const { io } = at;
  const cluster = await readSpec(at);
  if (!io.canAsk && !yes)
    throw new Failure('Nobody can be asked here whether that is meant.', {
      hint: `On a terminal it asks for the name of the cluster. In a script: ${at.self} destroy --yes`,
      exitCode: EXIT.badInput,
    });
  if (hosts.length > 0) return await removeSome(at, hosts, { data, yes });
  mustBeKnown(at, cluster.name);
  const secrets = await secretsOf(at, cluster, 'destroy');
  return await withTemporal(at, async (farweave) => {
    const state = await status(farweave, cluster.name);
    if (!state || state.revision === 0) throw unknownCluster(at, cluster.name);
    const values = await secrets(state);
    const made = draft(cluster, state, 'destroy', { data });
    const underWay = state.rollout?.digest === made.digest;
    if (!yes && !underWay && !(await agreed(at, made))) return EXIT.failed;
    const rollout = await waiting(io, 'Beginning to destroy', () => apply(farweave, made, values));
    await unschedule(farweave, cluster.name);
    return await accompany(farweave, rollout, mannerOf(at));
  });
}

/** Whoever types the name has read which cluster it is. */
async function agreed({ io }: At, made: Draft): Promise<boolean> {
  const { cluster } = made.plan;
  io.out.write(`${endingLines(made, io).join('\n')}\n`);
  const yes = (await askFor(`To go on, type the name of the cluster (${cluster})`)) === cluster;
  if (!yes) io.err.write('Nothing was touched.\n');
  return yes;
}
