import { isErasing } from '../plan/plan.ts';
import type { ClusterEvent, Outcome, Problem } from '../workflows/contract.ts';
import { clock, count, duration, printable, table } from './format.ts';
import type { Draft } from './index.ts';
import { type Io, type Style, styling } from './io.ts';
import { mark } from './tree.ts';
import { isOnOne, leftOut, stepState, tally, type View } from './view.ts';

type Look = Pick<Io, 'color' | 'unicode'>;

/** What became of a rollout, in a line: `done: 18 changed, 96 unchanged in 2m 31s`. */
export function verdict(view: View, outcome: Outcome, elapsed: number, look: Look): string {
  const style = styling(look);
  const color = outcome.state === 'done' ? 'green' : outcome.state === 'failed' ? 'red' : 'yellow';
  const { unchanged } = tally(view);
  const out = leftOut(outcome);
  const parked = outcome.parked.filter((host) => !out.includes(host));
  return [
    `${style(['bold', color], outcome.state)}: ${outcome.changed} changed, ${unchanged} unchanged in ${duration(elapsed)}`,
    ...(parked.length > 0 ? [style('yellow', `${count(parked.length, 'host')} parked: ${parked.join(', ')}`)] : []),
    ...(out.length > 0 ? [style('yellow', `${count(out.length, 'host')} left out: ${out.join(', ')}`)] : []),
    ...outcome.left.map((what) => style('yellow', `not taken back: ${what}`)),
  ].join('\n');
}

/** Failures, host by host: the short form, the end of the log, what to do. */
export function problemLines(problems: readonly Problem[], look: Look): readonly string[] {
  const style = styling(look);
  return [...Map.groupBy(problems, ({ host }) => host)].flatMap(([host, own]) => [
    '',
    style('bold', host || 'cluster'),
    ...own.flatMap((problem) => problemOf(problem, style)),
  ]);
}

function problemOf({ type, message, log, hint }: Problem, style: Style): readonly string[] {
  const lines = (log ?? '')
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .slice(-40);
  return [
    `  ${style('red', type)}  ${printable(message)}`,
    ...lines.map((line) => style('dim', `    | ${printable(line)}`)),
    ...(hint ? [`  ${style('bold', 'What to do:')} ${printable(hint)}`] : []),
  ];
}

/** When, what, and who: a line an event. Times are those of this machine. */
export function eventLines(events: readonly ClusterEvent[], look: Look): readonly string[] {
  const style = styling(look);
  return table(
    events.map(({ at, by, what }) => [
      style('dim', clock(Date.parse(at), undefined, { seconds: true })),
      printable(what + (by ? ` (${by})` : '')),
    ]),
  );
}

/** A line a check, with what is wrong on which host below those that fail. */
export function checkLines({ plan, progress }: View, look: Look): readonly string[] {
  return plan.stages.flatMap((stage) => {
    const hosts = isOnOne(stage)
      ? stage.hosts.filter((host) => stepState(progress.steps, stage, host) !== 'queued').slice(0, 1)
      : stage.hosts;
    const failed = hosts.filter((host) => !holds(stepState(progress.steps, stage, host)));
    const where = hosts.length === 1 ? hosts[0]! : count(hosts.length, 'host');
    const problems = progress.problems.filter((problem) => problem.stage === stage.id);
    if (hosts.length > 0 && failed.length === 0)
      return [`${mark('done', look)} ${stage.title}  (${stage.operation}, ${where})`];
    return [
      `${mark(problems.length > 0 ? 'failed' : 'skipped', look)} ${stage.title}  (${stage.operation})${failed.length > 0 ? `: not on ${failed.join(', ')}` : ''}`,
      ...problems.map(({ message }) => `    ${printable(message)}`),
    ];
  });
}

const holds = (state: string) => state === 'done' || state === 'unchanged';

/** What an apply is about to do, for who is asked whether to. */
export function draftLines({ plan, digest }: Draft, look: Look): readonly string[] {
  const style = styling(look);
  const sites = new Set(plan.hosts.map(({ site }) => site)).size;
  const changes = plan.stages.filter(({ kind }) => kind === 'change');
  const final = changes.filter(({ irreversible }) => irreversible);
  return [
    `${style('bold', plan.cluster)}: ${count(plan.hosts.length, 'host')} in ${count(sites, 'site')}, ${count(plan.stages.length, 'stage')} (plan ${digest.slice(0, 16)})`,
    ...table(plan.hosts.map((host) => [`  ${host.name}`, host.site, `${host.user}@${host.address}:${host.port}`])),
    `Where something differs from the plan, up to ${count(changes.length, 'operation')} a host bring it about; what holds already is left alone.`,
    ...final.map(({ operation, irreversible }) =>
      style('yellow', `  cannot be taken back: ${operation} (${irreversible})`),
    ),
  ];
}

/** What a destroy is about to do, for who is asked whether to. */
export function endingLines({ plan }: Draft, look: Look): readonly string[] {
  const style = styling(look);
  const erased = plan.stages.filter(({ operation }) => operation.endsWith('.erased')).map(({ title }) => title);
  return [
    `${style('bold', plan.cluster)}: ${count(plan.hosts.length, 'host')} will be left as they were found`,
    ...table(plan.hosts.map((host) => [`  ${host.name}`, host.site, `${host.user}@${host.address}:${host.port}`])),
    'What Farweave added goes: containers, images, the mesh, packages, files.',
    isErasing(plan)
      ? style('red', `Data goes with it, for good: ${[...erased, 'drop backups'].join(', ')}.`)
      : 'Data stays on the hosts, and a later apply finds it again; --data erases it.',
  ];
}
