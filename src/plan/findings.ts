import type { Finding } from '../activities/contract.ts';
import type { Plan, Stage } from './plan.ts';

/** host → stage id → finding, as a look returns it. */
export type Findings = Readonly<Record<string, Readonly<Record<string, Finding>>>>;

/** What is, what should be, and the commands that would run, host by host. Hosts that did not answer are named. */
export function printFindings(plan: Plan, findings: Findings): string {
  const hosts = plan.hosts.map(({ name, site }) => hostText(plan, `${name} (${site})`, findings[name], name));
  return `${[...hosts, summary(plan, findings)].join('\n\n')}\n`;
}

function hostText(plan: Plan, heading: string, found: Findings[string] | undefined, host: string): string {
  if (!found) return `${heading}\n  ? did not answer`;
  const stages = plan.stages.filter((stage) => stage.hosts.includes(host));
  const asked = stages.flatMap((stage) => (found[stage.id] ? [{ stage, finding: found[stage.id]! }] : []));
  const same = asked.filter(({ finding }) => finding.is === 'yes').length;
  const rest = asked
    .filter(({ finding }) => finding.is !== 'yes')
    .flatMap(({ stage, finding }) => findingText(stage, finding));
  return [heading, ...rest, `  = ${same} of ${asked.length} as they should be`].join('\n');
}

function findingText(stage: Stage, finding: Finding): readonly string[] {
  const { is, why, now, wanted, commands } = finding;
  const mark = is === 'unknown' ? '?' : stage.kind === 'change' ? '~' : '!';
  // Of a stage for one host, this is not the one that need be changed.
  const one = stage.scope !== 'host' && stage.on === 'one' ? ' (on one host)' : '';
  return [
    `  ${mark} ${stage.operation}: ${stage.title}${one}`,
    ...(is === 'unknown' ? [`      not known: ${escaped(why ?? 'no reason was given')}`] : []),
    ...(is === 'no' ? [`      is      ${escaped(now ?? '')}`, `      wanted  ${escaped(wanted ?? '')}`] : []),
    ...(commands === undefined
      ? []
      : commands
          .trimEnd()
          .split('\n')
          .map((line) => `      | ${escaped(line)}`)),
  ];
}

function summary(plan: Plan, findings: Findings): string {
  const count = (is: Finding['is'], ...kinds: readonly Stage['kind'][]) =>
    plan.stages
      .filter(({ kind }) => kinds.includes(kind))
      .flatMap((stage) => answersOf(stage, findings))
      .filter((answer) => answer === is).length;
  const counts: readonly (readonly [number, string])[] = [
    [count('no', 'preflight'), 'forbid the rollout'],
    [count('no', 'change'), 'to change'],
    [count('no', 'check'), 'to wait for'],
    [count('unknown', 'preflight', 'change', 'check'), 'not known'],
    [count('yes', 'preflight', 'change', 'check'), 'as they should be'],
    [plan.hosts.filter(({ name }) => !findings[name]).length, 'without an answer'],
  ];
  return counts.flatMap(([n, what]) => (n > 0 ? [`${n} ${what}`] : [])).join(', ') || 'nothing was asked';
}

/** A stage's answers. What is for one of several hosts is one thing, however many could do it, and done where one has done it. */
function answersOf(stage: Stage, findings: Findings): readonly Finding['is'][] {
  const all = stage.hosts.flatMap((host) => findings[host]?.[stage.id]?.is ?? []);
  if (stage.scope === 'host' || stage.on === 'each') return all;
  return (['yes', 'no', 'unknown'] as const).filter((is) => all.includes(is)).slice(0, 1);
}

/** Hosts answer with what they like: nothing of it may steer the terminal. */
function escaped(text: string): string {
  return text.replaceAll(
    /[^\P{C}\t]/gu,
    (character) => `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  );
}
