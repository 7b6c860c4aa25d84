import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resolveSecrets } from './secrets.ts';

let directory = '';
const env = { PATH: process.env.PATH, HERE: 'a b', EMPTY: '' };
const resolve = (references: Parameters<typeof resolveSecrets>[0], timeout = 5000) =>
  resolveSecrets(references, env, { directory, timeout });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'farweave-secrets-'));
  await writeFile(join(directory, 'key'), 'line 1\nline 2\n\n');
  await writeFile(join(directory, 'empty'), '\n');
});
afterAll(() => rm(directory, { recursive: true }));

it('finds values in the environment, in files and behind commands, less one newline at the end', async () => {
  const values = await resolve({
    'a.env': { env: 'HERE' },
    'a.file': { file: 'key' },
    'a.command': { command: ['printf', '%s\\n', '$HOME; x'] },
  });
  expect([...values]).toEqual([
    ['a.env', 'a b'],
    ['a.file', 'line 1\nline 2\n'],
    ['a.command', '$HOME; x'],
  ]);
});

it('leaves to the workers what is theirs', async () => {
  const values = await resolve({ a: { worker: 'x' }, b: { generate: { length: 9, alphabet: 'base64' } } });
  expect([...values]).toEqual([]);
});

it('opens nothing that was sealed for the workers', async () => {
  expect([...(await resolve({ a: { age: 'YWdl' } }))]).toEqual([['a', { age: 'YWdl' }]]);
});

it('names everything that is missing at once, with what to do', async () => {
  const missing = resolve({
    unset: { env: 'NOWHERE' },
    empty: { env: 'EMPTY' },
    file: { file: 'nowhere' },
    blank: { file: 'empty' },
    folder: { file: '.' },
    absent: { command: ['no-such-program-here'] },
    silent: { command: ['true'] },
    failing: { command: ['sh', '-c', 'echo hunter2; echo "\u001b[31mlocked" >&2; exit 3'] },
  });
  await expect(missing).rejects.toThrow(
    [
      'secret unset: the environment variable NOWHERE is not set: export NOWHERE=…',
      'secret empty: the environment variable EMPTY is empty',
      `secret file: cannot read ${directory}/nowhere: there is no such file`,
      `secret blank: the file ${directory}/empty is empty`,
      `secret folder: cannot read ${directory}: Error: EISDIR: illegal operation on a directory, read`,
      'secret absent: `no-such-program-here` is not installed, or not on PATH',
      'secret silent: the output of true is empty',
      'secret failing: `sh` failed (exit code 3): [31mlocked',
    ].join('\n'),
  );
});

it('waits for a command no longer than it may take', async () => {
  await expect(resolve({ slow: { command: ['sleep', '60'] } }, 200)).rejects.toThrow(
    '`sleep` did not answer within 0.2 s',
  );
});

it('runs the same command once', async () => {
  const command = ['sh', '-c', 'echo x >> runs; wc -l < runs'];
  const values = await resolve({ a: { command }, b: { command } });
  expect([...values.values()].map(Number)).toEqual([1, 1]);
});
