import type { Stage } from '../../plan/plan.ts';
import type { StageOptions } from '../operation.ts';
import { placed } from '../placement.ts';
import type { Context } from '../role.ts';
import { given, secretsIn } from '../value.ts';
import type { Config, Script } from './config.ts';
import * as operations from './operations.ts';

/** Milliseconds that a script may take at most to share an activity with others: for so long each of them may hold up a pause. */
const BRIEF = 120_000;

/** Where names of a script's secrets begin. */
export const ownerOf = (name: string) => `script.${name}`;

/** The scripts that come after a service, or with undefined before all of them. */
export function scriptsAfter(
  service: string | undefined,
  scripts: Config,
  { hosts }: Pick<Context, 'hosts'>,
): readonly Stage[] {
  return Object.entries(scripts)
    .filter(([, { after }]) => after === service)
    .map(([name, script]) => stageOf(name, script, { hosts }));
}

function stageOf(name: string, script: Script, { hosts }: Pick<Context, 'hosts'>): Stage {
  const { check, apply, undo, irreversible = 'it has no undo', timeout, disrupts } = script;
  const on = placed(script, hosts);
  const env = given(ownerOf(name), script.env);
  const options: StageOptions = { secrets: secretsIn(env), timeout, ...barrierOf(script) };
  if (apply === undefined) return operations.holds.over(on, `wait for ${name}`, { name, check, env }, options);
  return operations.run.over(
    on,
    `run ${name}`,
    { name, check, env, apply, undo: undo ?? null },
    {
      ...options,
      brief: timeout <= BRIEF && !disrupts,
      ...(undo === undefined && { irreversible }),
      ...(disrupts && { disrupts }),
    },
  );
}

function barrierOf({ order }: Script): Pick<StageOptions, 'barrier'> {
  if (order === 'all') return {};
  return order === 'one'
    ? { barrier: { scope: 'cluster', on: 'one', order: 'all' } }
    : { barrier: { scope: 'cluster', on: 'each', order } };
}
