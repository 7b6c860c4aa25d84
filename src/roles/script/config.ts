import * as z from 'zod';
import { duration } from '../duration.ts';
import { placement } from '../placement.ts';
import { Environment, Name } from '../value.ts';

const shell = z.string().min(1).max(32_768);

const Script = z
  .strictObject({
    check: shell.describe(
      'Shell text that only looks. Exit code 0: it is as it should be. 126 and above, and no answer within 50 s: not known. Any other: it is not.',
    ),
    apply: shell
      .optional()
      .describe('Shell text that makes it so. Afterwards the check must hold. Missing: the check is waited for.'),
    undo: shell
      .optional()
      .describe(
        'Shell text that takes back what apply has changed, when a rollout is taken back. Missing: nothing can.',
      ),
    irreversible: z
      .string()
      .max(120)
      .optional()
      .describe('Why it cannot be taken back; said before the rollout. Where there is no undo.'),
    env: Environment.describe(
      'Environment variables for all three: texts, numbers, secrets by reference, or { generated: NAME }. Nothing is pasted into the shell text.',
    ),
    timeout: duration.prefault('2m').describe('How long apply may take, or how long to wait for the check.'),
    disrupts: z
      .boolean()
      .default(false)
      .describe(
        'Whether what serves on the host may be away meanwhile: then hosts go in such numbers as services can spare.',
      ),
    after: z
      .string()
      .optional()
      .describe('A service of roles.container that must be well first. Missing: before all services.'),
    ...placement,
    order: z
      .union(
        [z.enum(['all', 'one']), z.strictObject({ rolling: z.int().min(1).describe('How many hosts at a time.') })],
        'wants all, one, or { rolling: N }',
      )
      .default('all')
      .describe(
        'all: on every host, each at its own pace. one: once in the cluster, on one of the hosts. { rolling: N }: so many hosts at a time.',
      ),
  })
  .describe('A state of hosts, in shell. It is run as root by sh -e, without a terminal.');

export type Script = z.infer<typeof Script>;

export const Config = z
  .record(Name, Script)
  .describe('States of hosts in shell, for what no role does. They are brought about in this order.');

export type Config = z.infer<typeof Config>;

/** What other roles need to look at this section. */
export const section = { name: 'script', config: Config } as const;
