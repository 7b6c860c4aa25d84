import { describe, expect, it, test } from 'vitest';
import { applied, commandsOf, contextOf, hostAt, said } from '../../../test/applied.ts';
import { ran as inShell } from '../../../test/sh.ts';
import type { Command } from '../../ssh/command.ts';
import { container } from '../container/index.ts';
import type { Operation } from '../operation.ts';
import type { Role } from '../role.ts';
import { script } from './index.ts';
import { holds, run, Script } from './operations.ts';

const hosts = [0, 1, 2].map((index) => hostAt(index));
const [host] = hosts as [(typeof hosts)[0]];
const laidOut = (section: object, others: readonly Role[] = []) => contextOf(script, section, hosts, others);
const stagesOf = (section: object) => {
  const { config, context } = laidOut(section);
  return script.stages(config, context);
};
const problemsOf = (section: object, others: readonly Role[] = []) => {
  const { config, context } = laidOut(section, others);
  return script.validate!(config, context).map(({ path, message }) => `${path.join('.')}: ${message}`);
};
const argsOf = (wanted: object) => Script.parse(stagesOf({ it: { check: 'true', apply: 'true', ...wanted } })[0]?.args);

/** Runs a command as a host would, with the same value for every secret. */
const ran = (command: Command, value = '') => inShell(command, { valueOf: () => value });

describe('a script', () => {
  it('is a state: asked for by its check, brought about by apply, taken back by undo', () => {
    const [stage] = stagesOf({ it: { check: 'c', apply: 'a', undo: 'u' } });
    expect(stage).toMatchObject({ operation: 'script.run', kind: 'change', title: 'run it', scope: 'host' });
    expect(stage).not.toHaveProperty('irreversible');
    expect(stage).not.toHaveProperty('disrupts');
  });

  it('without an undo says before the rollout why it cannot be taken back', () => {
    const reasons = stagesOf({
      a: { check: 'c', apply: 'a' },
      b: { check: 'c', apply: 'a', irreversible: 'the old tables are gone' },
    });
    expect(reasons.map(({ irreversible }) => irreversible)).toEqual(['it has no undo', 'the old tables are gone']);
  });

  it('without apply is waited for', () => {
    const [stage] = stagesOf({ it: { check: 'c', timeout: '10m' } });
    expect(stage).toMatchObject({ operation: 'script.holds', kind: 'check', timeout: 600_000 });
  });

  test.each([
    ['all', { scope: 'host' }],
    ['one', { scope: 'cluster', on: 'one', order: 'all' }],
    [{ rolling: 2 }, { scope: 'cluster', on: 'each', order: { rolling: 2 } }],
  ])('goes over hosts as it is told: %j', (order, extent) => {
    expect(stagesOf({ it: { check: 'c', apply: 'a', order } })[0]).toMatchObject(extent);
  });

  it('has its own time, place and manners', () => {
    const wanted = { check: 'c', apply: 'a', timeout: '20m', disrupts: true, hosts: ['vm1', 'vm2'] };
    expect(stagesOf({ it: wanted })[0]).toMatchObject({ timeout: 1_200_000, disrupts: true, hosts: ['vm1', 'vm2'] });
  });

  it('that comes after a service is left to the services', () => {
    expect(stagesOf({ it: { check: 'c', after: 'web' }, other: { check: 'c' } }).map(({ title }) => title)).toEqual([
      'wait for other',
    ]);
  });
});

describe('what is run', () => {
  it('finds values and secrets in its environment, whatever stands in them', () => {
    const args = argsOf({
      env: { PLAIN: `it's "$HOME" \`x\``, SECRET: { env: 'X' } },
      apply: `printf '%s|%s|%s' "$PLAIN" "$SECRET" "$FARWEAVE_HOST/$FARWEAVE_SITE"`,
    });
    const nasty = `a'b"$(touch /tmp/x)\nc`;
    expect(ran(applied(run, host, args), nasty)).toMatchObject({
      exitCode: 0,
      stdout: `it's "$HOME" \`x\`|${nasty}|vm0/ams1`,
    });
  });

  it('has no secret in its arguments', () => {
    const { text } = applied(run, host, argsOf({ env: { S: { env: 'X' } } }));
    expect(text).toMatch(/export S="\$fw_\w+"/);
    expect(text.slice(text.indexOf('exec'))).not.toContain('$fw');
  });

  it('ends at the first command that fails, reads no input, and begins at the root of the host', () => {
    const status = (apply: string) => ran(applied(run, host, argsOf({ apply }))).exitCode;
    expect(status('false; true')).toBe(1);
    expect(status('! read -r line')).toBe(0);
    expect(status('[ "$(pwd)" = / ]')).toBe(0);
    expect(status('exit 7')).toBe(7);
  });

  it('is taken back by undo, and left alone without one', () => {
    const undone = (wanted: object) => ran(commandsOf(run as Operation, host, argsOf(wanted), {}).at(-1)!);
    expect(undone({ undo: 'echo gone' })).toMatchObject({ exitCode: 0, stdout: 'gone\n' });
    expect(undone({})).toMatchObject({ exitCode: 0, stdout: '' });
  });
});

test.each([
  [0, '', '', { is: 'yes' }],
  [1, '', '', { is: 'no', now: 'exit code 1', wanted: 'exit code 0 of the check of it' }],
  [3, 'half way\n', '', { is: 'no', now: 'half way' }],
  [2, 'x\n', 'grep: /x: No such file or directory\n', { is: 'no', now: 'grep: /x: No such file or directory' }],
])('a check that ends with %i and says %j is judged', (exitCode, stdout, stderr, verdict) => {
  for (const operation of [run, holds])
    expect(operation.judge(said(stdout, exitCode, stderr), host, argsOf({}), {})).toMatchObject(verdict);
});

test.each<[string, object, readonly string[]]>([
  ['an undo of nothing', { check: 'c', undo: 'u' }, ['it.undo: there is no apply that it could take back']],
  [
    'a reason beside an undo',
    { check: 'c', apply: 'a', undo: 'u', irreversible: 'x' },
    ['it.irreversible: there is an undo: drop one of the two'],
  ],
  ['a site that there is not', { check: 'c', sites: ['ams'] }, ['it.sites.0: unknown site "ams"; there are none']],
  [
    'a service that there is not',
    { check: 'c', after: 'web' },
    ['it.after: there is no service "web" in roles.container'],
  ],
  ['nothing wrong', { check: 'c', apply: 'a', undo: 'u' }, []],
])('is refused for %s', (_, wanted, problems) => {
  expect(problemsOf({ it: wanted }, [container as Role])).toEqual(problems);
});

it('says where its secrets come from', () => {
  const { config } = laidOut({ it: { check: 'c', env: { A: 1, B: { worker: 'b' }, C: { generated: 'c' } } } });
  expect(script.secrets!(config)).toEqual({
    'script.it.B': { worker: 'b' },
    'generated.c': { generate: { length: 32, alphabet: 'alphanumeric' } },
  });
});
