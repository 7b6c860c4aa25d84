import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { roles } from '../../src/roles/index.ts';

/**
 * The import table of the architecture: what each folder may import values from. Types may come from anywhere,
 * since they do nothing. `a` stands for the folder, `a/b` for one file or folder of it, `node:` for all of Node.
 * A longer key wins: `client/dev` may do what `client` may not.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  spec: ['roles', 'zod', 'yaml', 'node:'],
  plan: ['roles', 'node:crypto'],
  roles: ['ssh/command', 'zod'],
  ssh: ['ssh2', 'zod', 'node:'],
  'ssh/command': ['node:crypto'],
  // Of the plan only arithmetic, which is the same in every replay.
  workflows: [
    '@temporalio/workflow',
    '@temporalio/common',
    'plan/plan',
    'plan/pack',
    'plan/policy',
    'plan/way',
    'plan/access-key',
    'plan/sealed',
  ],
  activities: [
    'roles',
    'ssh',
    // A change of hosts that came by signal is planned where all roles are known. The answer stands in the history.
    'spec',
    // Of it also windows: time zones change by law, so that is asked as a fact of the world.
    'plan',
    'zod',
    'age-encryption',
    '@temporalio/activity',
    '@temporalio/common',
    'node:',
  ],
  worker: [
    'activities',
    'roles/index',
    'ssh',
    'wire',
    'workflows/contract',
    'zod',
    '@temporalio/worker',
    '@temporalio/common',
    '@temporalio/envconfig',
    'node:',
  ],
  client: [
    '../package.json',
    'lab/errors',
    'spec',
    'plan',
    'wire',
    'workflows/contract',
    'activities/vault',
    'zod',
    'commander',
    '@clack/prompts',
    '@temporalio/client',
    '@temporalio/common',
    '@temporalio/envconfig',
    'node:',
  ],
  'client/dev': [
    'worker',
    'lab',
    'workflows/contract',
    'activities/vault',
    'zod',
    '@temporalio/client',
    '@temporalio/testing',
    'node:',
  ],
  'client/commands/dev': ['worker', 'lab', 'commander', 'node:'],
  'client/commands/lab': ['lab', 'commander', 'node:'],
  lab: ['zod', 'node:'],
  wire: ['@temporalio/common', 'node:'],
};

/** What only one file imports, so that it can be replaced there. */
const ONE_PLACE = ['yaml', 'ssh2', 'age-encryption', '@clack/prompts'];

const src = join(import.meta.dirname, '../../src');
const files = globSync('**/*.ts', { cwd: src })
  .filter((file) => !file.endsWith('.test.ts'))
  .map((file) => ({
    file,
    text: readFileSync(join(src, file), 'utf8'),
  }));
const imports = files.flatMap(({ file, text }) => importsOf(file, text));

it('has files to look at', () => {
  expect(files.length).toBeGreaterThan(20);
  expect(imports.length).toBeGreaterThan(100);
});

it.each(
  Object.keys(MAY_IMPORT)
    .map((key) => key.split('/')[0]!)
    .filter((folder, n, all) => all.indexOf(folder) === n),
)('lets src/%s import values only from where the table of the architecture says', (folder) => {
  const wrong = imports
    .filter(({ file, what, types }) => !types && file.startsWith(`${folder}/`) && !may(file, what))
    .map(
      ({ file, what }) =>
        `src/${file} imports ${what}: take it from ${allowed(file).join(', ')}, or import the type only, or change the table with a reason`,
    );
  expect(wrong).toEqual([]);
});

it('knows every folder of src', () => {
  const unknown = new Set(files.map(({ file }) => file.split('/')[0]!).filter((folder) => !(folder in MAY_IMPORT)));
  expect([...unknown], 'add the folder to the table at the top of this test, with what it may import').toEqual([]);
});

it.each(ONE_PLACE)('imports %s in one file', (dependency) => {
  const places = new Set(
    imports.filter(({ what, types }) => !types && what === dependency).map(({ file }) => `src/${file}`),
  );
  expect(
    [...places].slice(1),
    `give the first of these what the others want of ${dependency}: ${[...places].join(', ')}`,
  ).toEqual([]);
});

it('tells what is imported as a value from what is imported as a type', () => {
  const text = `import type { A } from './a.ts';
import { type B, type C } from '../b/b.ts';
import {
  d,
  type D,
} from '../b/d.ts';
import * as e from 'e';
import f from 'node:f';
import './g.ts';
export { h } from './h.ts';
export type { I } from './i.ts';
const j = await import('../b/j.ts');
`;
  expect(importsOf('x/y.ts', text).map(({ what, types }) => `${types ? 'type' : 'value'} ${what}`)).toEqual([
    'type x/a',
    'type b/b',
    'value b/d',
    'value e',
    'value node:f',
    'value x/h',
    'type x/i',
    'value x/g',
    'value b/j',
  ]);
});

describe('roles', () => {
  const folders = new Set(files.flatMap(({ file }) => /^roles\/([^/]+)\//.exec(file)?.[1] ?? []));

  it('are all registered', () => {
    const registered = roles.map(({ name }) => name);
    const missing = [...folders].filter((folder) => !registered.includes(folder));
    expect(missing, 'add a line to src/roles/index.ts').toEqual([]);
    expect(
      registered.filter((name) => !folders.has(name)),
      'a role is a folder of its name',
    ).toEqual([]);
  });

  it('name their operations after themselves, each once', () => {
    const names = roles.flatMap((role) => role.operations.map(({ name }) => ({ role: role.name, name })));
    expect(
      names.filter(({ role, name }) => !name.startsWith(`${role}.`)),
      'an operation is called `role.operation`',
    ).toEqual([]);
    const all = names.map(({ name }) => name);
    expect(
      all.filter((name, n) => all.indexOf(name) !== n),
      'two operations have one name',
    ).toEqual([]);
  });

  it.each(roles.flatMap(({ operations }) => operations.map(({ name }) => name)))(
    'write %s out once, so that a search for it finds the code',
    (name) => {
      const places = files.flatMap(({ file, text }) =>
        text
          .split(`'${name}'`)
          .slice(1)
          .map(() => `src/${file}`),
      );
      expect(
        places,
        `the literal '${name}' must stand in exactly one place; elsewhere use the operation itself`,
      ).toHaveLength(1);
    },
  );

  it('have secrets of their own name', () => {
    const literals = files
      .filter(({ file }) => file.startsWith('roles/') && file.split('/').length > 2)
      .flatMap(({ file, text }) =>
        [...text.matchAll(/\bsecret\('([^']+)'/g)].map(([, name]) => ({ file, name: name! })),
      );
    const foreign = literals.filter(({ name }) => !roles.some((role) => name.startsWith(`${role.name}.`)));
    expect(foreign, 'a secret is called `role.secret`').toEqual([]);
  });

  it('need only facts that some operation publishes', () => {
    const operations = roles.flatMap((role) => role.operations);
    const published = new Set(['host.key', ...operations.flatMap(({ publishes }) => publishes ?? [])]); // the survey's own
    const orphans = operations.flatMap(({ name, needs = [] }) =>
      needs.filter((fact) => !published.has(fact)).map((fact) => `${name} needs ${fact}`),
    );
    expect(orphans, 'say `publishes: [fact]` where its verdict carries the fact').toEqual([]);
  });
});

it('has files of a length that can be read in one go', () => {
  const long = files
    .filter(({ text }) => lines(text) > 220)
    .map(({ file, text }) => `src/${file}: ${lines(text)} lines`);
  expect(long, 'split it where the story changes: 220 lines at most').toEqual([]);
});

it('has no file that is named for nothing in particular', () => {
  const vague = files.filter(
    ({ file }) =>
      /^(utils?|helpers?|common|types|misc|shared|base)\.ts$/.test(basename(file)) ||
      /(^|\/)(utils?|helpers?|common|types|misc|shared)\//.test(file),
  );
  expect(
    vague.map(({ file }) => file),
    'name a file for what it contains',
  ).toEqual([]);
});

it('has named exports only', () => {
  const defaults = files.filter(({ text }) => /^export default /m.test(text)).map(({ file }) => file);
  expect(defaults, 'export it by name').toEqual([]);
});

it('rolls no cluster out from two files of tests, which share a server', () => {
  const folder = join(src, '../test/workflow');
  const named = globSync('*.test.ts', { cwd: folder }).flatMap((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const names = [...text.matchAll(/planOf\('([^']+)'/g)].map(([, name]) => name!);
    return [...new Set(names)].map((name) => ({ name, file }));
  });
  const twice = [...Map.groupBy(named, ({ name }) => name)].filter(([, places]) => places.length > 1);
  expect(twice.map(([name, places]) => `${name}: ${places.map(({ file }) => file).join(', ')}`)).toEqual([]);
});

const lines = (text: string) => text.split('\n').length - 1;

/** Every import and re-export of a file, with folders as seen from src. Dynamic ones count as values. */
function importsOf(
  file: string,
  text: string,
): readonly { readonly file: string; readonly what: string; readonly types: boolean }[] {
  const found = [...text.matchAll(/^(?:import|export)\s+((?:type\s+)?)([^'";]*?)\s*from\s+'([^']+)'/gm)].map(
    ([, type, names, from]) => ({
      from: from!,
      types: type !== '' || onlyTypes(names!),
    }),
  );
  const bare = [...text.matchAll(/(?:^import\s+|\bimport\()'([^']+)'/gm)].map(([, from]) => ({
    from: from!,
    types: false,
  }));
  return [...found, ...bare].map(({ from, types }) => ({
    file,
    what: from.startsWith('.') ? inside(file, from) : from,
    types,
  }));
}

/** `{ type A, type B }` */
function onlyTypes(names: string): boolean {
  const [, inner] = /^\{([^}]*)\}$/s.exec(names.trim()) ?? [];
  const each =
    inner
      ?.split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '') ?? [];
  return each.length > 0 && each.every((name) => name.startsWith('type '));
}

function inside(file: string, from: string): string {
  return relative('.', join(dirname(file), from)).replace(/\.ts$/, '');
}

function allowed(file: string): readonly string[] {
  const path = file.replace(/\.ts$/, '');
  const [key] = Object.keys(MAY_IMPORT)
    .filter((each) => path === each || path.startsWith(`${each}/`))
    .toSorted((a, b) => b.length - a.length);
  return key === undefined ? [] : MAY_IMPORT[key]!;
}

function may(file: string, what: string): boolean {
  const folder = file.split('/')[0]!;
  if (what.startsWith(`${folder}/`)) return true;
  return allowed(file).some((entry) => what === entry || what.startsWith(entry.endsWith(':') ? entry : `${entry}/`));
}
