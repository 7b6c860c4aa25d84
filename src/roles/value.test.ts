import { expect, it, test } from 'vitest';
import { sh, words } from '../ssh/command.ts';
import { Environment, given, origins, secretsIn, textOf, Value } from './value.ts';

const values = Environment.parse({
  TEXT: 'x',
  NUMBER: 1,
  YES: true,
  MINE: { env: 'X' },
  OURS: { generated: 'shared-key' },
});

it('stands in a plan as a text, or as the name of a secret', () => {
  expect(given('container.web', values)).toEqual({
    TEXT: 'x',
    NUMBER: '1',
    YES: 'true',
    MINE: { secret: 'container.web.MINE' },
    OURS: { secret: 'generated.shared-key' },
  });
  expect(secretsIn(given('container.web', values))).toEqual(['container.web.MINE', 'generated.shared-key']);
});

it('names the same secret from wherever it is generated, and its own elsewhere', () => {
  const [one, other] = [origins('container.web', values), origins('script.seed', values)];
  expect(Object.keys(one).filter((name) => name in other)).toEqual(['generated.shared-key']);
});

it('never takes one secret for another whose name differs only in what no shell variable can have', () => {
  const variables = (secret: string) => Object.keys(sh`${words(textOf({ secret }))}`.variables ?? {});
  const names = ['container.a-b.C', 'container.a.b_C', 'container.a_b.C', 'container.a./b.C', 'container.a.b.C'];
  expect(new Set(names.flatMap(variables)).size).toBe(names.length);
  for (const name of names.flatMap(variables)) expect(name).toMatch(/^\w+$/);
});

test.each([
  ['a secret by no way there is', { vault: 'x' }],
  ['two ways at once', { env: 'X', file: 'y' }],
  ['nothing', null],
  ['a list', ['x']],
  ['a generated one without a name that can be said', { generated: 'Not This' }],
])('is not %s', (_, value) => {
  expect(Value.safeParse(value).success).toBe(false);
});
