import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { allCommands, commandsOf } from '../readme.ts';
import { farweave } from './cli-io.ts';

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'farweave-readme-'));
});
afterAll(() => rmSync(cwd, { recursive: true }));

/** By whoever runs the tests, by `test/lab/readme.test.ts` and `test/lab/grow.test.ts`, and here. */
const TESTED = ['Two commands', 'The next ten minutes', 'Then it lives', 'Your own machines'].map(commandsOf);

it('has no command that no test runs', () => {
  expect(commandsOf('Two commands')).toEqual(['make demo', 'make test']);
  expect(allCommands().filter((command) => !TESTED.flat().includes(command))).toEqual([]);
});

it('leads from addresses to a plan, in the order in which its commands stand', async () => {
  const commands = commandsOf('Your own machines');
  expect(commands.length).toBeGreaterThan(3);
  const env: Record<string, string> = {};
  for (const command of commands) {
    const [program, ...argv] = command.split(/\s+/);
    if (program === 'export') {
      const [name = '', value = ''] = argv[0]!.split('=');
      env[name] = value;
      continue;
    }
    expect(program).toBe('bin/farweave');
    if (argv[0] === 'apply') continue; // they are nobody's hosts; the lab's are applied to in test/lab
    expect({ command, ...(await farweave(argv, { cwd, env })) }).toMatchObject({ exitCode: 0, err: '' });
  }
});
