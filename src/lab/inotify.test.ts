import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { allowWatching } from './inotify.ts';

let folder: string;
let said: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farweave-inotify-'));
  said = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

it.each([
  ['raises a limit that is too low', '128\n', 3, '512', 1],
  ['asks for more the more hosts there are', '512\n', 20, '1280', 1],
  ['leaves a limit alone that is enough', '1024\n', 3, '1024', 0],
])('%s', (_, before, hosts, after, lines) => {
  const file = join(folder, 'limit');
  writeFileSync(file, before);
  allowWatching(hosts, (line) => said.push(line), file);
  expect(readFileSync(file, 'utf8').trim()).toBe(after);
  expect(said).toHaveLength(lines);
});

it('says nothing where there is no such limit', () => {
  allowWatching(3, (line) => said.push(line), join(folder, 'none'));
  expect(said).toEqual([]);
});
