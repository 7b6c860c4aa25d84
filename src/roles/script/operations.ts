import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { type Command, type Output, script, sh, words } from '../../ssh/command.ts';
import { lastLine } from '../container.ts';
import { no, operation, type Verdict, yes } from '../operation.ts';
import { Given, textOf } from '../value.ts';

const Check = z.object({
  name: z.string(),
  check: z.string(),
  env: z.record(z.string(), Given),
});

/** A script as its operations get it. */
export const Script = Check.extend({ apply: z.string(), undo: z.string().nullable() });
export type Script = z.infer<typeof Script>;

/** What the check asks for, and apply brings about. */
export const run = operation('script.run', Script, {
  publishes: [],
  // Of a script without one nobody asks.
  undo: (host, { undo, env }) => (undo === null ? sh`:` : script(running(host, env, undo))),
  probe: (host, { env, check }) => running(host, env, check),
  judge: (output, _, args) => judgeCheck(output, args),
  apply: (host, { apply, env }) => script(running(host, env, apply)),
});

/** What the check asks for, where nobody says how to bring it about. */
export const holds = operation('script.holds', Check, {
  kind: 'check',
  publishes: [],
  probe: (host, { env, check }) => running(host, env, check),
  judge: (output, _, args) => judgeCheck(output, args),
});

/** Ends the shell that it is run by. Values go in by the environment: in arguments everybody on the host would see them. */
function running(host: HostSpec, env: Script['env'], text: string): Command {
  const own = { FARWEAVE_HOST: host.name, FARWEAVE_SITE: host.site };
  const exports = Object.entries({ ...own, ...env })
    .map(([name, value]) => sh`export ${name}=${words(textOf(value))}`)
    .reduce(
      (all, one) => sh`${all}
${one}`,
    );
  return sh`${exports}
cd /
exec sh -ec ${text} </dev/null`;
}

/** Above 125 nobody comes here: that is "not known" for every question. */
function judgeCheck({ exitCode, stdout, stderr }: Output, { name }: Pick<Script, 'name'>): Verdict {
  if (exitCode === 0) return yes();
  return no(lastLine(stderr) || lastLine(stdout) || `exit code ${exitCode}`, `exit code 0 of the check of ${name}`);
}
