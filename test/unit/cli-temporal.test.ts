import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { finish } from '../../src/client/dev/program.ts';
import { stateFolder } from '../../src/client/dev/state.ts';
import { findTemporal } from '../../src/client/dev/temporal-cli.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'farweave-temporal-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function program(path: string, mode = 0o755): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '#!/bin/sh\n');
  chmodSync(file, mode);
  return file;
}

describe("Temporal's program", () => {
  const find = (env: Record<string, string>) => findTemporal({ progress: () => {}, env });

  it('is the one that TEMPORAL_CLI names, before all others', async () => {
    const named = program('mine');
    program('bin/temporal');
    expect(await find({ TEMPORAL_CLI: named, PATH: join(root, 'bin') })).toBe(named);
  });

  it('is refused where TEMPORAL_CLI names what cannot be run', async () => {
    const named = program('mine', 0o644);
    await expect(find({ TEMPORAL_CLI: named, PATH: '' })).rejects.toMatchObject({ name: 'Failure', exitCode: 3 });
  });

  it('is the first on PATH, then the one in the cache', async () => {
    const cached = program('cache/temporal-1.9.1/temporal');
    const env = { FARWEAVE_CACHE: join(root, 'cache'), PATH: `${join(root, 'none')}:${join(root, 'bin')}` };
    expect(await find(env)).toBe(cached);
    expect(await find({ ...env, PATH: join(root, 'bin') })).toBe(cached);
    const first = program('bin/temporal');
    expect(await find(env)).toBe(first);
  });
});

describe('a program with limits', () => {
  const run = (script: string, limits: object = {}) =>
    finish('sh', ['-c', script], {
      env: process.env,
      progress: () => {},
      measure: () => 0,
      quiet: 60_000,
      most: 60_000,
      ...limits,
    });

  it('gives its exit code and the last thing it said', async () => {
    expect(await run('echo one; echo two >&2; exit 3')).toEqual({ exitCode: 3, lastLine: 'two' });
  });

  it('is ended where it says nothing for too long', async () => {
    expect(await run('exec sleep 60', { quiet: 1_000 })).toMatchObject({ error: 'nothing came for 1 seconds' });
  });

  it('lives as long as what it brings grows', async () => {
    let size = 0;
    const grown = await run('sleep 4; exit 0', { quiet: 2_000, measure: () => (size += 1) });
    expect(grown).toEqual({ exitCode: 0, lastLine: undefined });
  });

  it('is an error where it is not there', async () => {
    const { error } = await finish('farweave-no-such-program', [], {
      env: process.env,
      progress: () => {},
      measure: () => 0,
      quiet: 1_000,
      most: 1_000,
    });
    expect(error).toContain('ENOENT');
  });
});

describe('the state folder', () => {
  it.each([
    { place: { option: '/a', env: { FARWEAVE_STATE: '/b', HOME: '/h' } }, is: '/a' },
    { place: { env: { FARWEAVE_STATE: '/b', XDG_STATE_HOME: '/x' } }, is: '/b' },
    { place: { env: { XDG_STATE_HOME: '/x' }, beside: '/nowhere' }, is: '/x/farweave' },
  ])('is $is for $place', ({ place, is }) => {
    expect(stateFolder(place)).toBe(is);
  });

  it('is beside the cluster file where there is one', () => {
    mkdirSync(join(root, '.farweave'));
    expect(stateFolder({ env: { XDG_STATE_HOME: '/x' }, beside: root })).toBe(join(root, '.farweave'));
  });
});
