import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Command, Output, Variable } from '../src/ssh/command.ts';

interface Surroundings {
  /** What the performer would fill in. */
  readonly valueOf: (variable: Variable) => string;
  /** Path → content, in place of what is there on this machine. */
  readonly files?: Readonly<Record<string, string>>;
  /** Paths of which nothing is there. */
  readonly missing?: readonly string[];
  /** Name → shell script, in place of programs. */
  readonly programs?: Readonly<Record<string, string>>;
}

/** Runs a command in the shell of this machine, as a host would. */
export function ran(command: Command, { valueOf, files = {}, missing = [], programs = {} }: Surroundings): Output {
  const folder = mkdtempSync(join(tmpdir(), 'farweave-'));
  const place = (path: string) => join(folder, basename(path));
  try {
    for (const [path, content] of Object.entries(files)) writeFileSync(place(path), content, { mode: 0o600 });
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(place(name), `#!/bin/sh\n${script}\n`);
      chmodSync(place(name), 0o755);
    }
    const values = Object.entries(command.variables ?? {}).map(([name, variable]) => [name, valueOf(variable)]);
    const env = { ...Object.fromEntries(values), PATH: `${folder}:${process.env['PATH']}` };
    const paths = [...Object.keys(files), ...missing];
    const input = paths.reduce((text, path) => text.replaceAll(path, place(path)), command.text);
    const { stdout, stderr, status } = spawnSync('sh', { input, env, encoding: 'utf8' });
    return { stdout, stderr, exitCode: status ?? 1 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
