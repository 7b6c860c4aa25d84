import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Command, type Output, sh, writing } from './command.ts';
import { inOrder, isRepeatable, type Part, traced, tracing } from './lane.ts';

const JOB = 'ab'.repeat(16);
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lane-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** In a real shell, with what Farweave keeps below the test's own folder. */
function run({ text }: Command): Output {
  const moved = text.replaceAll('/var/lib/farweave', `${root}/farweave`);
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', moved], { encoding: 'utf8' });
  return { exitCode: status ?? -1, stdout, stderr };
}

const ends = () => Object.fromEntries([...traced(run(tracing('run')))].map(([stage, { last }]) => [stage, last?.end]));
const part = (n: number, more: Omit<Part, 'stage' | 'generation'>): Part => ({
  stage: `0${n}-toy`,
  generation: 0,
  ...more,
});

it.each([
  ['nothing at all', ':'],
  ['several lines, and empty ones at the end', `printf 'a\\n\\nb\\n\\n'`],
  ['quotes and what a shell would expand', `printf %s "it's \\"so\\" \\$HOME \\\`id\\\` * \\\\n"`],
  ['an exit code', 'echo no; exit 7'],
  ['words on both streams', 'echo out; echo err >&2; exit 1'],
  ['what a failing command says of itself', 'cat /nowhere'],
  ['letters beyond ASCII', 'echo "grüße ✓"'],
])('knows an answer again: %s', (_, text) => {
  const probe = { text };
  const heard = run(probe);
  expect(isRepeatable(heard)).toBe(true);
  expect(run(inOrder('run', JOB, [part(1, { guard: { probe, heard } })])).exitCode).toBe(0);
  expect(ends()).toEqual({ '01-toy': 'kept' });
});

it.each([
  ['stdout', 'echo other; echo err >&2; exit 3'],
  ['stderr', 'echo out; echo other >&2; exit 3'],
  ['a stderr that is silent', 'echo out; exit 3'],
  ['the exit code', 'echo out; echo err >&2; exit 4'],
])('changes nothing where the answer has another %s by now', (_, text) => {
  const heard = { exitCode: 3, stdout: 'out\n', stderr: 'err\n' };
  const change = { script: writing(`${root}/conf`, 'after') };
  expect(run(inOrder('run', JOB, [part(1, { guard: { probe: { text }, heard }, change })])).exitCode).toBe(0);
  expect(existsSync(`${root}/conf`)).toBe(false);
  expect(traced(run(tracing('run'))).get('01-toy')).toEqual({
    hasReceipt: false,
    last: { generation: 0, job: JOB, end: 'moved' },
  });
});

it('goes on until one fails, and forgets the receipts of those that it has not come to', () => {
  const parts = [1, 2, 3].map((n) =>
    part(n, { change: { script: n === 2 ? sh`exit 5` : writing(`${root}/f${n}`, 'after') } }),
  );
  expect(run(inOrder('run', JOB, parts)).exitCode).toBe(5);
  expect([existsSync(`${root}/f1`), existsSync(`${root}/f3`)]).toEqual([true, false]);
  const traces = traced(run(tracing('run')));
  expect([...traces].map(([stage, { hasReceipt, last }]) => [stage, hasReceipt, last?.end])).toEqual([
    ['01-toy', true, 0],
    ['02-toy', true, 5],
  ]);
});

it('lets all be heard that its changes say, on both streams', () => {
  const parts = [1, 2].map((n) => part(n, { change: { script: sh`echo ${`out ${n}`}; echo ${`err ${n}`} >&2` } }));
  expect(run(inOrder('run', JOB, parts))).toEqual({ exitCode: 0, stdout: 'out 1\nout 2\n', stderr: 'err 1\nerr 2\n' });
});

it('keeps the images of the time before the first of them', () => {
  writeFileSync(`${root}/conf`, 'before');
  const parts = [1, 2].map((n) => part(n, { change: { script: writing(`${root}/conf`, `after ${n}`) } }));
  expect(run(inOrder('run', JOB, parts)).exitCode).toBe(0);
  for (const stage of ['01-toy', '02-toy'])
    expect(readFileSync(`${root}/farweave/receipts/run/${stage}/0`, 'utf8')).toBe('before');
});

it('begins nothing where no receipt can be left', () => {
  writeFileSync(`${root}/farweave`, 'a file where the folder should be');
  const change = { script: writing(`${root}/conf`, 'after') };
  expect(run(inOrder('run', JOB, [part(1, { change })])).exitCode).toBe(73);
  expect(existsSync(`${root}/conf`)).toBe(false);
});

it('tells of a step that has begun and not ended, and makes nothing of a line that a power cut has torn', () => {
  const stdout = `receipt 01-toy\nentry 01-toy 2 ${JOB}\nentry 02-toy 0 ${JOB} 0\nentry 03-toy 0 abab\n`;
  expect([...traced({ stdout })]).toEqual([
    ['01-toy', { hasReceipt: true, last: { generation: 2, job: JOB } }],
    ['02-toy', { hasReceipt: false, last: { generation: 0, job: JOB, end: 0 } }],
  ]);
});
