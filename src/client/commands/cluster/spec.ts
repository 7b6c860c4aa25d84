import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { thereAlready } from '../../cluster-file.ts';
import { type At, withCluster, writeJson } from '../../command.ts';
import { EXIT } from '../../errors.ts';
import { keptCluster } from '../host/kept.ts';

interface Options {
  readonly output?: string;
  readonly force?: boolean;
}

/** Gives the cluster file as it was applied last, with the hosts that have come since. */
export async function printSpec(at: At, { output, force = false }: Options): Promise<number> {
  return await withCluster(at, async (_farweave, name, state) => {
    const { text, hosts } = keptCluster(at, name, state);
    if (output === undefined) {
      if (at.global.json) writeJson(at, { cluster: name, spec: text, hosts: hosts.map((host) => host.name) });
      else at.io.out.write(text);
      return EXIT.ok;
    }
    await writeFile(resolve(at.io.cwd, output), text, { flag: force ? 'w' : 'wx' }).catch(
      (error: NodeJS.ErrnoException) => {
        throw error.code === 'EEXIST' ? thereAlready(output) : error;
      },
    );
    at.io.err.write(`${output} is the cluster file of ${name} now.\n`);
    return EXIT.ok;
  });
}
