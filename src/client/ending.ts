import { madeBy } from '../plan/backups.ts';
import type { Plan } from '../plan/plan.ts';
import type { Backup } from '../roles/backup.ts';
import type { Outcome } from '../workflows/contract.ts';
import { backupLines } from './backup-lines.ts';
import type { Farweave } from './connection.ts';
import { EXIT } from './errors.ts';
import type { Followed } from './follow.ts';
import { table } from './format.ts';
import { workflowLink } from './links.ts';
import { checkLines, problemLines, verdict } from './report.ts';
import type { Manner } from './show.ts';
import { failedHosts, leftOut, tally, type View } from './view.ts';

/** The last words about a rollout that has ended. */
export function ended(farweave: Farweave, rollout: Followed, view: View, outcome: Outcome, manner: Manner): number {
  const { io, self } = manner;
  const { purpose } = view.plan;
  const isEnd = purpose === 'destroy';
  const isCheck = purpose === 'verify';
  const made = purpose === 'backup' ? madeBy(view.plan, outcome.facts) : undefined;
  // Hosts may be parked within the budget, and those may be the ones that were to take a backup.
  const ok = outcome.state === 'done' && !(isEnd && outcome.abandoned) && made?.length !== 0;
  const elapsed = (view.ended ?? Date.now()) - view.began;
  const problems = inOrder(view, isCheck ? outcome.problems.filter(({ stage }) => !stage) : outcome.problems);
  if (manner.json)
    writeJson(manner, {
      ...summary(farweave, rollout, view),
      ...withoutFacts(outcome),
      ...(made && { backups: made }),
      milliseconds: elapsed,
    });
  else
    say(manner, [
      ...(isCheck ? checkLines({ ...view, progress: { ...view.progress, problems: outcome.problems } }, io) : []),
      ...problemLines(problems, io),
      ...(problems.length > 0 ? [''] : []),
      verdict(view, outcome, elapsed, io),
      ...abandonedLines(outcome, isEnd),
      ...(ok && !isCheck ? outputs(view) : []),
      ...(made ? ['', ...(ok ? backupLines(made, view.plan.hosts) : ['No host has it.'])] : []),
      ...web(farweave, rollout, view),
      ...next(isEnd ? (ok ? ['events'] : ['destroy']) : nextAfter(ok, purpose, made), self),
    ]);
  return ok ? EXIT.ok : EXIT.failed;
}

/** A rollout that is paused on a failure: what is wrong, and what there is to decide. */
export function stuck(farweave: Farweave, rollout: Followed, view: View, manner: Manner): number {
  const { io, self } = manner;
  if (manner.json) writeJson(manner, { ...summary(farweave, rollout, view), problems: view.progress.problems });
  else
    say(manner, [
      ...problemLines(inOrder(view, view.progress.problems), io),
      '',
      'The rollout is paused: nothing new starts, and what it has done stays until you decide.',
      ...table(choices(view).map(([command, what]) => [`  ${self} ${command}`, what])),
      ...web(farweave, rollout, view),
    ]);
  return EXIT.failed;
}

/** What there is to decide. Of several hosts that have failed, the first one stands for the others. */
function choices({ plan, progress }: View): readonly (readonly [command: string, what: string])[] {
  const [host, ...others] = failedHosts(progress);
  const more =
    others.length > 0 ? `; failed too: ${others.slice(0, 5).join(', ')}${others.length > 5 ? ', …' : ''}` : '';
  const left = plan.hosts.length - progress.parked.length;
  return [
    ['resume', 'try again, once what is wrong has been put right'],
    ...(host ? [[`retry ${host}`, `try again on ${host} only${more}`] as const] : []),
    ...(host && left > 1 && !progress.parked.includes(host)
      ? [[`skip ${host}`, `leave ${host} out; the others go on`] as const]
      : []),
    ['rollback', 'take back what this rollout has changed'],
    ['cancel', 'end it, and leave everything as it is'],
  ];
}

/** Somebody pressed Ctrl-C. */
export function departed(rollout: Followed, { io, self }: Manner): number {
  io.err.write(
    `\nRevision ${rollout.revision} goes on without this terminal.\n  ${self} watch    come back to it\n  ${self} pause    hold it\n`,
  );
  return EXIT.interrupted;
}

/** As the hosts stand in the cluster file. */
function inOrder({ plan }: View, problems: Outcome['problems']): Outcome['problems'] {
  const places = new Map(plan.hosts.map(({ name }, n) => [name, n]));
  return problems.toSorted((a, b) => (places.get(a.host) ?? -1) - (places.get(b.host) ?? -1));
}

/** What of a rollout stands in JSON, ended or not. */
function summary(farweave: Farweave, rollout: Followed, view: View) {
  const { plan, progress, runId, cluster, revision, waits = [] } = view;
  const out = leftOut(progress);
  return {
    cluster,
    revision,
    purpose: plan.purpose,
    state: progress.state,
    changed: progress.changed,
    unchanged: tally(view).unchanged,
    parked: progress.parked,
    ...(out.length > 0 && { leftOut: out }),
    ...(waits.length > 0 && { waits }),
    ...(progress.wave && { wave: progress.wave }),
    steps: progress.steps,
    outputs: plan.outputs,
    workflowId: rollout.workflowId,
    runId,
    ...(farweave.ui && { ui: workflowLink(farweave.ui, farweave.namespace, rollout.workflowId, runId) }),
  };
}

function abandonedLines({ abandoned = [] }: Outcome, isEnd: boolean): readonly string[] {
  return abandoned.map((host) =>
    isEnd
      ? `${host} was not given up: what was brought there is there still. Destroy again once it answers; if it never will, take it out of the cluster file first.`
      : `${host} did not answer. The cluster goes on without it; what was brought there is there still.`,
  );
}

/** On what the next run would build: of no use to a reader, and long. */
function withoutFacts(outcome: Outcome): Omit<Outcome, 'facts'> {
  const { facts: _, ...rest } = outcome;
  return rest;
}

function outputs({ plan }: View): readonly string[] {
  return plan.outputs.length === 0 ? [] : ['', ...table(plan.outputs.map(({ title, value }) => [title, value]))];
}

function web(farweave: Farweave, { workflowId }: Followed, { runId }: View): readonly string[] {
  return farweave.ui ? ['', `Web UI  ${workflowLink(farweave.ui, farweave.namespace, workflowId, runId)}`] : [];
}

function nextAfter(ok: boolean, purpose: Plan['purpose'], made: readonly Backup[] = []): readonly string[] {
  if (purpose === 'backup') return ['backup list', ...(ok ? [`restore ${made[0]!.id}`] : ['status', 'verify'])];
  if (purpose === 'verify') return ok ? ['status'] : ['plan --check', 'apply'];
  return ok ? ['status', 'verify', 'plan --check'] : ['plan --check', 'apply'];
}

function next(commands: readonly string[], self: string): readonly string[] {
  return ['', `Next    ${commands.map((command) => `${self} ${command}`).join(' · ')}`];
}

function writeJson({ io, events }: Manner, value: unknown): void {
  io.out.write(`${JSON.stringify(value, null, events ? 0 : 2)}\n`);
}

function say({ io }: Manner, lines: readonly string[]): void {
  io.out.write(`${lines.join('\n')}\n`);
}
