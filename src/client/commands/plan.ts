import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { Aim } from '../../plan/compile.ts';
import { printFindings } from '../../plan/findings.ts';
import { printPlan } from '../../plan/print.ts';
import type { Cluster } from '../../spec/cluster.ts';
import {
  type At,
  type Run,
  readSpec,
  secretsOf,
  serverOf,
  stateOf,
  teach,
  withTemporal,
  writeJson,
} from '../command.ts';
import { isServerNamed } from '../connection.ts';
import { look as lookAround } from '../dev/embedded.ts';
import { EXIT } from '../errors.ts';
import { draft, look, status } from '../index.ts';
import { problemLines } from '../report.ts';
import { waiting } from '../waiting.ts';

interface Options {
  readonly check?: boolean;
  readonly verify?: boolean;
  readonly destroy?: boolean;
  readonly data?: boolean;
}

export function addPlan(program: Command, run: Run): void {
  const command = program
    .command('plan')
    .summary('show what an apply would do')
    .description(
      'Compiles the cluster file into the plan of a rollout and prints it, with its digest. Touches no host. ' +
        'Needs no server; what a running one remembers of the cluster is taken into account. ' +
        'With --check the hosts are asked too (and only asked): what is, what should be, and the commands that would run.',
    )
    .option('--check', 'ask the hosts what differs')
    .option('--verify', 'the plan of farweave verify instead')
    .option('--destroy', 'the plan of farweave destroy instead')
    .option('--data', 'with --destroy: the plan of farweave destroy --data')
    .action(run(plan));
  teach(command, [
    ['farweave plan', 'the plan and its digest'],
    ['farweave plan --check', 'what differs on the hosts, with the commands'],
    ['farweave plan --destroy', 'what farweave destroy would take back'],
    ['farweave plan --json | jq .digest', 'for a later apply --plan DIGEST'],
  ]);
}

async function plan(
  at: At,
  { check = false, verify = false, destroy = false, data = false }: Options,
): Promise<number> {
  const cluster = await readSpec(at);
  const purpose = destroy ? 'destroy' : verify ? 'verify' : 'apply';
  if (check) return await checked(at, cluster, purpose);
  const known = isTemporalThere(at) ? await withTemporal(at, (farweave) => status(farweave, cluster.name)) : undefined;
  const made = draft(cluster, known, purpose, { data });
  if (at.global.json) writeJson(at, { digest: made.digest, plan: made.plan });
  else at.io.out.write(printPlan(made.plan));
  return EXIT.ok;
}

async function checked(at: At, cluster: Cluster, purpose: Aim): Promise<number> {
  const { io } = at;
  const secrets = await secretsOf(at, cluster, purpose);
  return await withTemporal(at, async (farweave) => {
    const state = await status(farweave, cluster.name);
    const values = await secrets(state);
    const made = draft(cluster, state, purpose);
    const { findings, problems } = await waiting(io, 'Asking the hosts', () =>
      look(farweave, made, values, { request: randomUUID().slice(0, 8), state }),
    );
    if (at.global.json) writeJson(at, { digest: made.digest, findings, problems });
    else {
      const told = problemLines(problems, io);
      io.out.write(`${printFindings(made.plan, findings)}${told.length > 0 ? `${told.join('\n')}\n` : ''}`);
      io.out.write(`Digest    ${made.digest.slice(0, 16)}\n`);
    }
    return problems.length > 0 ? EXIT.failed : EXIT.ok;
  });
}

/** Only a server that runs or was named is asked: a plan alone starts nothing. */
function isTemporalThere(at: At): boolean {
  return isServerNamed(serverOf(at)) || lookAround(stateOf(at)).server !== undefined;
}
