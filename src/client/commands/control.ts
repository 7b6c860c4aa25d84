import type { Command } from 'commander';
import type { Cluster } from '../../spec/cluster.ts';
import { suggestion } from '../../spec/problem.ts';
import { type At, mustBeKnown, type Run, readSpec, teach, withTemporal, writeJson } from '../command.ts';
import { confirm } from '../confirm.ts';
import { type Led, noneRuns, runningRollout, type Wish, wish } from '../control.ts';
import { EXIT } from '../errors.ts';
import { waiting } from '../waiting.ts';
import { type Argument, bad, CONTROLS, type ControlCommand, type Options } from './controls.ts';
import { rollbackTo } from './rollback-to.ts';

export function addControl(program: Command, run: Run): void {
  for (const control of CONTROLS) {
    const { name, summary, description, argument, options = [], examples } = control;
    const command = program.command(name).summary(summary).description(description);
    if (argument) addArgument(command, argument);
    for (const [flags, what, parse] of options)
      if (parse) command.option(flags, what, parse);
      else command.option(flags, what);
    if (control.question) command.option('-y, --yes', 'do not ask');
    command.option('--reason <text>', 'for those who come after').action(
      run((at: At, ...given: (Argument | Options)[]) => {
        const chosen = given.at(-1) as Options;
        return act(at, control, argument && (given[0] as Argument), chosen);
      }),
    );
    teach(command, examples, 'Exit codes: 0 done; 1 refused, with the reason; 2 bad input; 3 nobody has answered.');
  }
}

function addArgument(command: Command, [name, what, parse]: NonNullable<ControlCommand['argument']>): void {
  if (parse) command.argument(name, what, parse);
  else command.argument(name, what);
}

async function act(at: At, control: ControlCommand, argument: Argument, options: Options): Promise<number> {
  const wanted = noted(control.wants(argument, options), options);
  const cluster = await readSpec(at);
  mustBeKnown(at, cluster.name);
  const needsWorker = wanted.control !== 'cancel';
  return await withTemporal(
    at,
    async (farweave) => {
      const rollout = await waiting(at.io, 'Looking for the rollout', () => runningRollout(farweave, cluster.name));
      const isOfSome = hostsOf(wanted).length > 0 || options.wave === true;
      if (control.name === 'rollback' && !isOfSome && (!rollout || options.to !== undefined))
        return await rollbackTo(at, options);
      if (!rollout) throw noneRuns(cluster.name);
      for (const host of hostsOf(wanted)) mustBeHost(host, cluster, rollout);
      if (at.io.canAsk && !options.yes && control.question && !(await confirm(control.question(wanted, rollout)))) {
        at.io.err.write('Nothing was asked of it.\n');
        return EXIT.failed;
      }
      const done = await waiting(at.io, `Asking to ${control.name}`, () => wish(farweave, rollout, wanted));
      if (at.global.json) writeJson(at, done);
      else at.io.out.write(`Revision ${done.revision}: ${done.said}.\n  ${at.self} watch    see what becomes of it\n`);
      return EXIT.ok;
    },
    { needsWorker },
  );
}

function noted(wanted: Wish, { reason }: Options): Wish {
  return reason === undefined ? wanted : ({ ...wanted, request: { ...wanted.request, reason } } as Wish);
}

function hostsOf({ request }: Wish): readonly string[] {
  if ('host' in request) return [request.host];
  return 'hosts' in request ? (request.hosts ?? []) : [];
}

/** One that has left the cluster file may still be in the rollout. */
function mustBeHost(host: string, { hosts }: Cluster, rollout: Led): void {
  const names = [...new Set([...hosts.map(({ name }) => name), ...rollout.hosts])];
  if (names.includes(host)) return;
  const some = names.length <= 12 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
  throw bad(`There is no host ${host}${suggestion(host, names)}`, `There are: ${some}`);
}
