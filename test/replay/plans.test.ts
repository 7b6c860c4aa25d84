import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Facts, Plan, Stage } from '../../src/plan/plan.ts';
import { roles } from '../../src/roles/index.ts';
import { type Operation, tables } from '../../src/roles/operation.ts';

const folder = join(import.meta.dirname, 'plans');
const plans = readdirSync(folder).map(
  (file) => [file, JSON.parse(readFileSync(join(folder, file), 'utf8')) as Plan] as const,
);
const operations = new Map(roles.flatMap((role) => role.operations).map((operation) => [operation.name, operation]));

const calls = (stage: Stage) => (stage.scope !== 'host' && stage.gate ? [stage, stage.gate] : [stage]);

/** As the performer would, for every host: with a verdict of no, so that everything is asked for. */
function carryOut(operation: Operation, plan: Plan, stage: Stage, args: Stage['args']): readonly unknown[] {
  const facts: Facts = Object.fromEntries(
    stage.needs.map((fact) => [fact, Object.fromEntries(plan.hosts.map(({ name }) => [name, 'x']))]),
  );
  const needed = tables(operation, facts);
  const parsed = operation.args.parse(args);
  return plan.hosts
    .filter((host) => stage.hosts.includes(host.name))
    .flatMap((host) => [
      operation.probe(host, parsed, needed),
      operation.judge({ exitCode: 1, stdout: '', stderr: '' }, host, parsed, needed),
      ...('apply' in operation
        ? [operation.apply(host, parsed, { is: 'no', now: 'nothing', wanted: 'it' }, needed)]
        : []),
    ]);
}

it.each(plans)('%s: workers of today know what it names, and its arguments', (_, plan) => {
  for (const stage of plan.stages)
    for (const { operation: name, args } of calls(stage)) {
      const operation = operations.get(name);
      expect(operation, `${name} is gone: names of operations are never taken back`).toBeDefined();
      expect(carryOut(operation!, plan, stage, args)).not.toContain(undefined);
    }
});

it.each(plans)('%s: its segments hold every stage that is carried out, once', (_, plan) => {
  const inSegments = plan.segments.flatMap(({ stages }) => stages);
  const carriedOut = plan.stages.filter(({ kind }) => kind !== 'preflight').map(({ id }) => id);
  expect(inSegments.toSorted()).toEqual(carriedOut.toSorted());
});
