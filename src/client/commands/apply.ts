import { type Command, InvalidArgumentError } from 'commander';
import type { Cluster } from '../../spec/cluster.ts';
import type { ClusterView } from '../../workflows/contract.ts';
import { accompany } from '../accompany.ts';
import { takeBackup } from '../backups.ts';
import {
  type At,
  mannerOf,
  mustBeKnown,
  type Run,
  readSpec,
  secretsOf,
  teach,
  withTemporal,
  writeJson,
} from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Farweave } from '../connection.ts';
import { EXIT, Failure } from '../errors.ts';
import { type Begun, apply as begin, type Draft, draft, status, withdraw } from '../index.ts';
import { workflowLink } from '../links.ts';
import { draftLines } from '../report.ts';
import { turnOf } from '../turn.ts';
import { warnOfUnattended } from '../unattended.ts';
import { waiting } from '../waiting.ts';

interface Options {
  readonly plan?: string;
  readonly yes?: boolean;
  readonly detach?: boolean;
  readonly queue?: boolean;
  readonly attach?: boolean;
  readonly withdraw?: boolean;
  readonly backup?: boolean;
}

export function addApply(program: Command, run: Run): void {
  const command = program
    .command('apply')
    .summary('roll the cluster out')
    .description(
      'Makes the hosts what the cluster file says. What holds already is left alone: a second apply reports 0 changed. ' +
        'The rollout runs in Temporal, not in this terminal: Ctrl-C leaves it running, a crash of this machine does not ' +
        'lose it, and the same apply again comes back to it. On a terminal a plan is shown and has to be agreed to, then ' +
        'the rollout is shown by site, host and role; elsewhere each change of state is a line ' +
        '(vm0 mongodb.start: Queued, Provisioning, Done).',
    )
    .option('--plan <digest>', 'only if the plan still is the one that farweave plan showed', digestOf)
    .option('-y, --yes', 'do not ask')
    .option('--wait', 'watch until it has ended (the default)')
    .option('--detach', 'begin and return at once')
    .option('--backup', 'take a backup first, and apply only if it was proven')
    .option('--queue', 'where another rollout runs: wait for its end, then begin')
    .option('--attach', 'where another rollout runs: watch that one instead')
    .option('--withdraw', 'take back the apply that waits in the queue')
    .action(run(applyCluster));
  teach(
    command,
    [
      ['farweave apply', 'show, ask, roll out, watch'],
      ['farweave apply --yes --json', 'for scripts: the outcome as one JSON document'],
      ['farweave apply --queue', 'after the rollout that runs; Ctrl-C leaves it in the queue'],
      ['farweave apply --backup', 'before an upgrade: what the hosts keep can be laid back'],
      ['farweave apply --plan 0123456789abcdef', 'exactly what was reviewed, or nothing'],
    ],
    'Exit codes: 0 done; 1 failed, paused on a failure, or refused; 2 bad input; 3 no Temporal; 130 Ctrl-C (the rollout goes on).',
  );
}

/** Rolls the cluster of the file out. */
export async function applyCluster(at: At, options: Options): Promise<number> {
  const cluster = await readSpec(at);
  if (options.withdraw) return await withdrawn(at, cluster.name);
  const secrets = await secretsOf(at, cluster, 'apply');
  return await withTemporal(at, async (farweave) => {
    const state = await status(farweave, cluster.name);
    refuseMissing(cluster, state, at);
    const values = await secrets(state);
    const made = draft(cluster, state);
    if (options.plan) holdTo(options.plan, made, at);
    await warnOfUnattended(at, farweave, made.plan);
    // A repair carries out the same plan, and gives way to somebody who wants it applied.
    const underWay = state?.rollout?.digest === made.digest && !state.rollout.repair;
    if (options.attach && state?.rollout && !underWay)
      return await accompany(farweave, { cluster: cluster.name, ...state.rollout }, mannerOf(at));
    if (at.io.canAsk && !options.yes && !underWay && !(await agreed(at, made))) return EXIT.failed;
    if (options.backup && state && !underWay) await backedUp(at, farweave, cluster, state);
    const rollout = await waiting(at.io, 'Beginning the rollout', () =>
      begin(farweave, made, values, { queue: options.queue === true }),
    );
    if (rollout.queued) return await queued(at, farweave, { ...rollout, digest: made.digest }, options);
    if (options.detach) return detached(at, farweave, rollout);
    tellOf(at, farweave, rollout);
    return await accompany(farweave, rollout, mannerOf(at));
  });
}

/** A gate: throws unless a backup was taken and proven. What it says goes to stderr, where it is no part of the outcome. */
async function backedUp(at: At, farweave: Farweave, cluster: Cluster, state: ClusterView): Promise<void> {
  const aside = { ...at, io: { ...at.io, out: at.io.err } };
  const exitCode = await takeBackup(aside, farweave, cluster, state);
  if (exitCode === EXIT.ok) return;
  throw new Failure('Nothing was applied: the backup that was to come before it has not been taken.', {
    hint: `${at.self} apply goes without one.`,
    exitCode,
  });
}

/** Waits for its turn, and is accompanied then. Ctrl-C leaves it in the queue. */
async function queued(at: At, farweave: Farweave, begun: Begun, { detach }: Options): Promise<number> {
  const { cluster, digest, revision: behind } = begun;
  const leaving = `  ${at.self} status               see when it begins\n  ${at.self} apply --withdraw     take it back\n`;
  if (detach) {
    if (at.global.json) writeJson(at, { cluster, queued: true, digest, behind });
    else at.io.out.write(`The apply waits for the end of revision ${behind}.\n${leaving}`);
    return EXIT.ok;
  }
  const leave = new AbortController();
  const restore = at.io.onInterrupt(() => leave.abort());
  try {
    const rollout = await waiting(at.io, 'Waiting for its turn', (report) =>
      turnOf(farweave, { cluster, digest, behind }, { signal: leave.signal, report }),
    );
    restore();
    if (rollout) return await accompany(farweave, rollout, mannerOf(at));
    at.io.err.write(`\nThe apply stays in the queue and begins without this terminal.\n${leaving}`);
    return EXIT.interrupted;
  } finally {
    restore();
  }
}

async function withdrawn(at: At, cluster: string): Promise<number> {
  mustBeKnown(at, cluster);
  return await withTemporal(at, async (farweave) => {
    const { said } = await withdraw(farweave, cluster);
    if (at.global.json) writeJson(at, { cluster, said });
    else at.io.out.write(`${said}\n`);
    return EXIT.ok;
  });
}

function digestOf(value: string): string {
  if (/^[0-9a-f]{8,64}$/.test(value)) return value;
  throw new InvalidArgumentError('Wants 16 hexadecimal digits, as farweave plan prints them.');
}

/** Hosts that came by a request may be missing in an older file: they are taken out on purpose, or not at all. */
function refuseMissing({ name, hosts }: Cluster, state: ClusterView | undefined, { self, global }: At): void {
  const missing = state?.wanted?.hosts.filter((host) => !hosts.some((each) => each.name === host)) ?? [];
  if (missing.length === 0) return;
  throw new Failure(`${missing.join(', ')}: in ${name}, and not in ${global.file}.`, {
    details: [`take out in order:         ${self} host remove ${missing.join(' ')}`],
    hint: `Take the newer file over: ${self} cluster spec -o ${global.file} --force`,
    exitCode: EXIT.badInput,
  });
}

/** Refuses a plan that is not the one that somebody has agreed to. */
function holdTo(wanted: string, { digest }: Draft, { self }: At): void {
  if (digest.startsWith(wanted)) return;
  throw new Failure(`The plan ${wanted} no longer holds: it is ${digest.slice(0, 16)} now.`, {
    details: [
      'The cluster file has changed since, or another version of farweave made the plan, or hosts have come or gone.',
    ],
    hint: `Look at it again: ${self} plan`,
  });
}

async function agreed({ io }: At, made: Draft): Promise<boolean> {
  io.out.write(`${draftLines(made, io).join('\n')}\n`);
  const yes = await confirm('Apply this plan?');
  if (!yes) io.err.write('Nothing was touched.\n');
  return yes;
}

function tellOf({ io }: At, farweave: Farweave, { attached, again, revision, workflowId, runId }: Begun): void {
  const web = farweave.ui ? `\nWeb UI  ${workflowLink(farweave.ui, farweave.namespace, workflowId, runId)}` : '';
  const how = again ? ' was paused on a failure: trying again.' : attached ? ' runs already: coming back to it.' : '';
  io.err.write(`Revision ${revision}${how}${web}\n`);
}

function detached(at: At, farweave: Farweave, rollout: Begun): number {
  const { workflowId, runId, revision, digest, attached } = rollout;
  const ui = farweave.ui && workflowLink(farweave.ui, farweave.namespace, workflowId, runId);
  if (at.global.json)
    writeJson(at, { cluster: rollout.cluster, revision, workflowId, runId, digest, attached, ...(ui && { ui }) });
  else at.io.out.write(`Revision ${revision} runs.\n  ${at.self} watch    watch it\n${ui ? `  ${ui}\n` : ''}`);
  return EXIT.ok;
}
