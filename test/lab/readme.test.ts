import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { commandsOf } from '../readme.ts';
import { farweave, run } from './farweave.ts';

const file = join(inject('demo'), 'cluster.yaml');

it('keeps what the README promises for the next ten minutes', async () => {
  const commands = commandsOf('The next ten minutes');
  expect(commands.length).toBeGreaterThan(4);
  for (const command of commands) {
    const [program, ...argv] = command.replace('.farweave/demo/cluster.yaml', file).split(/\s+/);
    expect(program).toBe('bin/farweave');
    // NodeBB has been taken away on one host by then.
    const promised = argv.includes('apply') ? /^done: 1 changed/m : /./;
    expect({ command, ...(await farweave(argv)) }).toMatchObject({
      exitCode: 0,
      output: expect.stringMatching(promised) as string,
    });
  }
});

it('can be used from a program', async () => {
  const env = { FARWEAVE_STATE: join(inject('demo'), '.farweave') };
  expect(await run(process.execPath, ['examples/rollout.ts', file], { env })).toMatchObject({
    exitCode: 0,
    output: expect.stringMatching(/^done: 0 changed$/m) as string,
  });
});
