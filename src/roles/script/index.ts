import { section as container } from '../container/config.ts';
import { placementProblems } from '../placement.ts';
import type { Context, Problem, Role } from '../role.ts';
import { suggestion } from '../suggestion.ts';
import { origins } from '../value.ts';
import { type Config, type Script, section } from './config.ts';
import { holds, run } from './operations.ts';
import { ownerOf, scriptsAfter } from './stages.ts';

/** What no role does, in shell: a check, how to make it hold, and how to take that back. */
export const script: Role<Config> = {
  ...section,
  operations: [run, holds],
  validate: (config, context) => Object.entries(config).flatMap(([name, each]) => problems(name, each, context)),
  secrets: (config) =>
    Object.assign({}, ...Object.entries(config).map(([name, { env }]) => origins(ownerOf(name), env))),
  // Those that wait for a service stand among the services.
  stages: (config, context) => scriptsAfter(undefined, config, context),
};

function problems(name: string, script: Script, context: Context): readonly Problem[] {
  const { apply, undo, irreversible, after } = script;
  const services = Object.keys(context.section(container) ?? {});
  const error = (key: string, message: string): Problem => ({ severity: 'error', path: [name, key], message });
  return [
    ...(undo !== undefined && apply === undefined ? [error('undo', 'there is no apply that it could take back')] : []),
    ...(undo !== undefined && irreversible !== undefined
      ? [error('irreversible', 'there is an undo: drop one of the two')]
      : []),
    ...(after !== undefined && !services.includes(after)
      ? [error('after', `there is no service "${after}" in roles.container${suggestion(after, services)}`)]
      : []),
    ...placementProblems(script, context, [name]),
  ];
}
