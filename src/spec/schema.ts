import { writeFile } from 'node:fs/promises';
import * as z from 'zod';
import { sectionPath } from '../roles/context.ts';
import { roles as registry } from '../roles/index.ts';
import type { Role } from '../roles/role.ts';
import { frame } from './cluster.ts';

/** The schema of cluster.yaml: the frame, and one section a role. */
export const clusterSchema = oncePerRegistry((roles): z.ZodType<Record<string, unknown>> => {
  const sections = roles.map((role) => ({ path: sectionPath(role), schema: section(role) }));
  const nested = sections.filter(({ path }) => path[0] === 'roles').map(({ path, schema }) => [path[1], schema]);
  const own = sections.filter(({ path }) => path[0] !== 'roles').map(({ path, schema }) => [path[0], schema]);
  return z
    .strictObject({
      ...frame,
      ...Object.fromEntries(own),
      roles: z.strictObject(Object.fromEntries(nested)).prefault({}).describe('What is rolled out, a section a role.'),
    })
    .describe('A cluster: what runs on which hosts, in which data centers.');
});

/** The same as JSON Schema, for editors. */
export const jsonSchema = oncePerRegistry(
  (roles): z.core.JSONSchema.JSONSchema => ({
    ...z.toJSONSchema(clusterSchema(roles), { io: 'input', unrepresentable: 'any' }),
    title: 'Farweave cluster',
  }),
);

/** Whoever parses many files need not make the same schema as often. */
function oncePerRegistry<Made>(make: (roles: readonly Role[]) => Made): (roles: readonly Role[]) => Made {
  const made = new WeakMap<readonly Role[], Made>();
  return (roles) => {
    const one = made.get(roles) ?? make(roles);
    made.set(roles, one);
    return one;
  };
}

function section(role: Role): z.ZodType {
  return role.always ? role.config.prefault({}) : role.config.optional();
}

// `npm run schema`
if (import.meta.main) {
  await writeFile(
    new URL('../../schema/cluster.schema.json', import.meta.url),
    `${JSON.stringify(jsonSchema(registry), null, 2)}\n`,
  );
}
