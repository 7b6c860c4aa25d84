import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type * as z from 'zod';
import { roles } from '../roles/index.ts';
import { parseCluster } from './parse.ts';
import { dotted } from './problem.ts';
import { jsonSchema } from './schema.ts';
import { readSource } from './source.ts';

type Shape = z.core.JSONSchema._JSONSchema;

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const example = read('cluster.example.yaml');
const source = readSource(example);
const schema = jsonSchema(roles);

/** A field of the schema, with the values that the example has for it and where the first of them stands. */
interface Field {
  readonly name: string;
  readonly shape: z.core.JSONSchema.JSONSchema;
  readonly values: readonly unknown[];
  readonly path: readonly (string | number)[];
}

interface Placed {
  readonly value: unknown;
  readonly path: readonly (string | number)[];
}

/** Every field there is. Secret references are one field each: their kinds are for a test of their own. */
function fields(shape: Shape, places: readonly Placed[], name = ''): readonly Field[] {
  if (typeof shape === 'boolean') return [];
  if (isReference(shape)) return [];
  const properties = Object.entries(shape.properties ?? {}).flatMap(([key, inner]) => {
    const within = places.flatMap(({ value, path }) =>
      isObject(value) && key in value ? [{ value: value[key], path: [...path, key] }] : [],
    );
    const field = `${name}${name && '.'}${key}`;
    const path = within[0]?.path ?? [key];
    return typeof inner === 'boolean'
      ? []
      : [
          { name: field, shape: inner, values: within.map(({ value }) => value), path },
          ...fields(inner, within, field),
        ];
  });
  const { items, additionalProperties, anyOf = [] } = shape;
  const entries = places.flatMap(({ value, path }) =>
    Array.isArray(value) ? value.map((each: unknown, n) => ({ value: each, path: [...path, n] })) : [],
  );
  const values = places.flatMap(({ value, path }) =>
    isObject(value) ? Object.entries(value).map(([key, each]) => ({ value: each, path: [...path, key] })) : [],
  );
  return [
    ...properties,
    ...(items === undefined || Array.isArray(items) ? [] : fields(items, entries, `${name}[]`)),
    ...(additionalProperties === undefined ? [] : fields(additionalProperties, values, `${name}.*`)),
    ...anyOf.flatMap((branch) => fields(branch, places, name)),
  ];
}

const all = fields(schema, [{ value: source.value, path: [] }]);

it('is the schema of the file that editors use', async () => {
  const written: unknown = JSON.parse(read('schema/cluster.schema.json'));
  expect(written, 'schema/cluster.schema.json is old: run `npm run schema`').toEqual(
    JSON.parse(JSON.stringify(schema)),
  );
});

it('has fields', () => {
  expect(all.length).toBeGreaterThan(50);
});

it.each(all.map(({ name, shape }) => [name, shape.description] as const))('describes %s', (_, description) => {
  expect(description, 'give it a .describe(…) in its schema').toMatch(/^\S.+/);
});

it('is shown in full by cluster.example.yaml, which parses', () => {
  const { cluster, warnings } = parseCluster(example, { file: 'cluster.example.yaml' });
  expect(cluster.hosts).toHaveLength(3);
  expect(warnings).toEqual([]);
  const missing = all.filter(({ values }) => values.length === 0).map(({ name }) => name);
  expect(missing, 'add them to cluster.example.yaml, with a comment').toEqual([]);
});

it('has a comment at every field of cluster.example.yaml, above it or behind it', () => {
  const lines = example.split('\n');
  const bare = all.filter(({ path }) => {
    const { line } = source.position(source.offset(path));
    return !lines[line - 1]?.includes(' #') && !lines[line - 2]?.trim().startsWith('#');
  });
  expect(bare.map(({ path }) => dotted(path))).toEqual([]);
});

it('points editors to the schema, from wherever a file stands', () => {
  expect(example).toMatch(/^# yaml-language-server: \$schema=\.\/schema\/cluster\.schema\.json\n/);
  expect(read('examples/nodebb.yaml')).toMatch(
    /^# yaml-language-server: \$schema=\.\.\/schema\/cluster\.schema\.json\n/,
  );
});

it('shows every kind of secret reference', () => {
  for (const kind of ['env', 'file', 'command', 'worker'])
    expect(example).toMatch(new RegExp(`password|passphrase|privateKey: \\{ ${kind}: `));
});

function isReference({ anyOf = [] }: z.core.JSONSchema.JSONSchema): boolean {
  return anyOf.some((branch) => typeof branch === 'object' && !!branch.properties && 'env' in branch.properties);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
