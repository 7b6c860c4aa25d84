import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { up } from '../../src/lab/index.ts';
import { equip, type Grounds, unequip } from '../chaos/grounds.ts';
import { play } from '../chaos/play.ts';
import type { Result } from '../chaos/row.ts';
import { everything } from '../chaos/short.ts';
import { farweave } from './farweave.ts';

/** The short version of `make chaos`: one rollout that changes something on every host, with everything done to it. */
let grounds: Grounds;
let base: string;
let result: Result;
const file = join(inject('demo'), 'cluster.yaml');
const folder = join(import.meta.dirname, '../../build/chaos', everything.name);

beforeAll(async () => {
  const lab = await up({ progress: () => undefined });
  base = await readFile(file, 'utf8');
  grounds = await equip(
    lab,
    lab.hosts.map(({ name }) => name),
    file,
    'forum',
  );
  result = await play(everything, grounds, { base, folder, seed: 1, code: 'the one that is tested' });
});

afterAll(async () => {
  await writeFile(file, base);
  await unequip(grounds);
});

describe('a rollout whose worker, server and links are taken away', () => {
  it('ends right, and leaves a cluster that is verified', () => {
    expect(result.notes).toEqual([]);
    expect(result).toMatchObject({ verdict: 'right', verified: true });
  });

  it('has run every script once, as the hosts have counted', () => {
    expect(result.scripts).toMatchObject({ twice: 0, lost: 0, again: 0 });
    expect(result.scripts.started).toBeGreaterThanOrEqual(2 * grounds.hosts.length);
  });

  it('leaves a cluster that goes back to what it was', async () => {
    await writeFile(file, base);
    expect(await farweave(['--file', file, 'apply', '--yes'])).toMatchObject({
      exitCode: 0,
      output: expect.stringMatching(/^done: \d+ changed/m) as string,
    });
  });
});
