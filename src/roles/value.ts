import * as z from 'zod';
import { secret, type Text } from '../ssh/command.ts';
import { type Generated, SecretReference } from './secret.ts';

/** Of hosts, services and scripts. Names stand in commands, files, containers, DNS and workflow ids: none may need quoting. */
export const Name = z
  .string()
  .regex(
    /^[a-z](?:[a-z0-9-]{0,29}[a-z0-9])?$/,
    'wants a name of lower-case letters, digits and dashes that begins with a letter, 31 characters at most',
  )
  // Tables go by names, and every object of JavaScript has this one already.
  .refine((name) => name !== 'constructor', 'is taken: choose another name than constructor');

/** An image of containers, as `docker pull` takes it; never one of its options. */
export const Image = z.string().regex(/^[A-Za-z0-9][\w.:/@-]*$/, 'wants an image such as redis:8.2');

/** What is given to somebody else's program: in the open, or a secret that the spec only names. */
export const Value = z
  .union(
    [
      z.string().max(32_768),
      z.number(),
      z.boolean(),
      ...SecretReference.options,
      z.strictObject({
        generated: Name.describe(
          'Name of a secret that is made once (32 letters and digits) and kept with the cluster. It is the same one wherever this name stands.',
        ),
      }),
    ],
    'wants a text, a number, true or false, a secret by reference such as { env: NAME }, or one that is made: { generated: NAME }',
  )
  .describe('A value, a secret by reference, or { generated: NAME }.');

export type Value = z.infer<typeof Value>;

const environmentKey = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'wants a name of letters, digits and _')
  .refine((name) => !name.startsWith('FARWEAVE_'), 'is taken: FARWEAVE_ is for what Farweave itself says');

/** Environment variables by their names. */
export const Environment = z.record(environmentKey, Value).default({});

/** A value as it stands in a plan: a secret is a name there. */
export const Given = z.union([z.string(), z.object({ secret: z.string() })]);
export type Given = z.infer<typeof Given>;

/** Values as they stand in a plan. `owner` makes names of secrets: `container.web`. */
export function given(owner: string, values: Readonly<Record<string, Value>>): Record<string, Given> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      return [key, typeof value === 'object' ? { secret: secretName(owner, key, value) } : String(value)];
    }),
  );
}

/** Where the secrets among some values come from. */
export function origins(
  owner: string,
  values: Readonly<Record<string, Value>>,
): Readonly<Record<string, SecretReference | Generated>> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => {
      if (typeof value !== 'object') return [];
      const name = secretName(owner, key, value);
      return [[name, 'generated' in value ? { generate: { length: 32, alphabet: 'alphanumeric' } } : value] as const];
    }),
  );
}

/** The text of a value, with the secret in its place. */
export const textOf = (value: Given): Text => [typeof value === 'string' ? value : secret(value.secret)];

/** The secrets that some values name. */
export const secretsIn = (values: Readonly<Record<string, Given>>): readonly string[] =>
  Object.values(values).flatMap((value) => (typeof value === 'string' ? [] : [value.secret]));

function secretName(owner: string, key: string, value: Extract<Value, object>): string {
  return 'generated' in value ? `generated.${value.generated}` : `${owner}.${key}`;
}
