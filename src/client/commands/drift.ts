import { type Command, InvalidArgumentError } from 'commander';
import { duration } from '../../spec/rollout.ts';
import type { DriftResult } from '../../workflows/contract.ts';
import { accompany } from '../accompany.ts';
import { type At, mannerOf, type Run, teach, withCluster, writeJson } from '../command.ts';
import type { Farweave } from '../connection.ts';
import { driftLines } from '../drift-report.ts';
import { EXIT, Failure } from '../errors.ts';
import { drift, repair } from '../index.ts';
import { waiting } from '../waiting.ts';
import { bad } from './controls.ts';
import { schedule } from './drift/schedule.ts';

interface Options {
  readonly repair?: boolean;
  readonly yes?: boolean;
  readonly reason?: string;
}

export function addDrift(program: Command, run: Run): void {
  const command = program
    .command('drift')
    .summary('what is no longer as it was rolled out')
    .description(
      'Asks every host whether it still is what the last apply made of it, and changes nothing: stopped containers, edited ' +
        'files, lost routes, missing packages. It is measured by the plan that was rolled out, not by the cluster file, and ' +
        'needs none of its secrets. Each difference says who acts: an operator (a repair makes it right), a person (somebody ' +
        'has to look or decide), nobody (it comes by itself). With --repair that plan is carried out once more.',
    )
    .option('--repair', 'open a rollout of the last plan, which waits for farweave approve before it changes anything')
    .option('-y, --yes', 'with --repair: begin at once, and watch it')
    .option('--reason <text>', 'with --repair: for those who come after')
    .action(run(look));
  teach(
    command,
    [
      ['farweave drift', 'a table of what differs'],
      ['farweave drift --json | jq .clean', 'for scripts'],
      ['farweave drift --repair', 'what would mend it waits for farweave approve'],
      ['farweave drift --repair --yes', 'mend it now'],
      ['farweave drift schedule 15m', 'look every 15 minutes; farweave events tells of it'],
    ],
    'Exit codes: 0 no drift, or the repair has begun (with --yes: is done); 1 refused, or the repair failed; 3 no Temporal;\n4 drift, and nothing was repaired.',
  );

  const scheduling = command
    .command('schedule')
    .summary('look by itself from time to time')
    .description(
      'Has the server look for drift at this interval, by a Temporal Schedule: nobody need be logged in. What a look finds ' +
        'stands in farweave status; only when it finds something else than the one before is that an event. A look is left ' +
        'out while a rollout runs, and while the one before has not ended. Without an interval: says what is scheduled.',
    )
    .argument('[interval]', '15m, 1h or 1d, at least 1m; or off', intervalOf)
    .action(run(schedule));
  teach(scheduling, [
    ['farweave drift schedule 15m', 'from now on, every 15 minutes'],
    ['farweave drift schedule', 'how often, and when next'],
    ['farweave drift schedule off', 'no more'],
  ]);
}

const LEAST = 60_000;

function intervalOf(value: string): number | 'off' {
  if (value === 'off') return value;
  const { data } = duration.safeParse(value);
  if (data === undefined || data < LEAST)
    throw new InvalidArgumentError('Wants an interval such as 15m, 1h or 1d, from 1m to 30d; or off.');
  return data;
}

async function look(at: At, options: Options): Promise<number> {
  if (!options.repair && (options.yes || options.reason !== undefined))
    throw bad(`${options.yes ? '--yes' : '--reason'} goes with --repair.`);
  return await withCluster(at, async (farweave, name) => {
    const result = await waiting(at.io, 'Asking the hosts', () => drift(farweave, name));
    if (result.skipped !== undefined)
      throw new Failure(`Nobody was asked for drift: ${result.skipped}.`, {
        hint: 'farweave status says how it stands.',
      });
    const { clean, differences } = result;
    const isRepairable = differences.some(({ repairable }) => repairable);
    if (options.repair && isRepairable) return await mend(at, farweave, result, options);
    if (at.global.json) writeJson(at, result);
    else at.io.out.write(`${lines(at, result, options).join('\n')}\n`);
    return clean ? EXIT.ok : EXIT.drift;
  });
}

/** Opens the rollout. Without somebody's yes it waits, and nobody need wait with it. */
async function mend(at: At, farweave: Farweave, result: DriftResult, { yes, reason }: Options): Promise<number> {
  const { cluster } = result;
  if (!at.global.json) at.io.out.write(`${driftLines(result, at.io, at.self).join('\n')}\n`);
  const asked = { ...(yes && { approved: true }), ...(reason && { reason }) };
  const { said, rollout } = await waiting(at.io, 'Beginning the repair', () => repair(farweave, cluster, asked));
  const { revision, workflowId } = rollout!;
  if (yes) {
    at.io.err.write(`${said}\n`);
    return await accompany(farweave, { cluster, ...rollout! }, mannerOf(at));
  }
  if (at.global.json) writeJson(at, { ...result, repair: { revision, workflowId, said } });
  else
    at.io.out.write(
      `\nRevision ${revision} repairs it. It surveys the hosts, then waits for an approval before it changes anything.\n` +
        `  ${at.self} approve    let it go on\n  ${at.self} watch      see what it would do\n  ${at.self} cancel     leave everything as it is\n`,
    );
  return EXIT.ok;
}

function lines({ io, self }: At, result: DriftResult, options: Options): readonly string[] {
  const { clean } = result;
  const told = driftLines(result, io, self);
  if (!options.repair) return told;
  return [...told, clean ? 'Nothing to repair.' : 'Nothing of it is mended by a rollout.'];
}
