import { readFile, rename, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { changeHosts, type HostChange } from '../../../spec/change.ts';
import { parseCluster } from '../../../spec/parse.ts';
import { line, SpecError } from '../../../spec/problem.ts';
import { type At, folderOf } from '../../command.ts';
import { expanded } from '../../ssh-aliases.ts';

/**
 * Brings the cluster file along with a change of hosts, so that the next apply wants the same. `undo` puts it back, unless
 * somebody has edited it since. Where the file cannot be changed that is said, and nothing is lost: the cluster has its own.
 */
export async function bringAlong(at: At, change: HostChange): Promise<{ undo(): Promise<void> } | undefined> {
  const { io, global } = at;
  const path = resolve(io.cwd, global.file);
  const before = await readFile(path, 'utf8');
  try {
    const after = changeHosts(before, change).text;
    const explicit = await expanded(after, { env: io.env, directory: folderOf(at) });
    const { warnings } = parseCluster(explicit, { file: global.file, written: after });
    await write(path, after);
    for (const warning of warnings) io.err.write(`${line(warning)}\n`);
    io.err.write(`${global.file} says so too now.\n`);
    return {
      undo: async () => {
        if ((await readFile(path, 'utf8')) !== after) return;
        await write(path, before);
        io.err.write(`${global.file} is as it was.\n`);
      },
    };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    // Most often it says so already.
    io.err.write(`${global.file} is left as it is: ${error.problems.map(({ message }) => message).join('; ')}.\n`);
    return undefined;
  }
}

/** Whole or not at all. */
async function write(path: string, text: string): Promise<void> {
  await writeFile(`${path}.farweave-new`, text);
  await rename(`${path}.farweave-new`, path);
}
