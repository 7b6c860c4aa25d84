import { type Backup, backupsIn } from '../roles/backup.ts';
import type { Findings } from './findings.ts';
import { type Facts, namedArguments, type Plan } from './plan.ts';

/** The backup that a plan was for, on the hosts that have it by now, from the facts of its rollout. */
export function madeBy({ stages }: Pick<Plan, 'stages'>, facts: Facts): readonly Backup[] {
  const ids = stages.flatMap(({ args }) =>
    namedArguments(args).flatMap(([name, value]) => (name === 'id' ? [value] : [])),
  );
  return backupsIn(facts).filter(({ id, kept }) => kept && ids.includes(id));
}

/** The backups that a look at hosts has found, the oldest first. */
export function foundIn(findings: Findings): readonly Backup[] {
  const facts: Record<string, Record<string, string>> = {};
  for (const [host, found] of Object.entries(findings))
    for (const { facts: told = {} } of Object.values(found))
      for (const [fact, value] of Object.entries(told)) (facts[fact] ??= {})[host] = value;
  return backupsIn(facts);
}
