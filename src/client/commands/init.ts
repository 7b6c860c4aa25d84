import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { initialCluster } from '../../spec/init.ts';
import { parseCluster } from '../../spec/parse.ts';
import { type At, type Run, teach, writeJson } from '../command.ts';
import { EXIT, Failure } from '../errors.ts';
import { count } from '../format.ts';

interface Options {
  readonly name: string;
  readonly site?: string;
  readonly force?: boolean;
}

export function addInit(program: Command, run: Run): void {
  const command = program
    .command('init')
    .summary('write a first cluster.yaml from a list of hosts')
    .description(
      'Writes a first cluster file for hosts that are known by user name and address. Each host stands in a site of its ' +
        'own until you say otherwise. Passwords are not asked for: the file names the environment variable that holds them.',
    )
    .argument('<hosts...>', 'user@address or user@address:port')
    .option('--name <name>', 'name of the cluster', 'forum')
    .option('--site <site>', 'one site for all hosts')
    .option('--force', 'replace a file that is there')
    .action(run(init));
  teach(command, [
    ['farweave init vagrant@192.168.33.10 vagrant@192.168.33.11 vagrant@192.168.33.12', ''],
    ['farweave init --name shop --site ams root@192.0.2.7', 'one host in a site of your naming'],
  ]);
}

async function init(at: At, targets: readonly string[], { name, site, force = false }: Options): Promise<number> {
  const { file } = at.global;
  const text = initialCluster(targets, { name, ...(site && { site }) });
  // What would not pass is better refused than written.
  const { cluster } = parseCluster(text, { file });
  await writeNew(resolve(at.io.cwd, file), text, file, force);
  if (at.global.json) writeJson(at, { file, cluster: cluster.name, hosts: cluster.hosts.length });
  else
    at.io.out.write(
      `${file}: cluster ${cluster.name} with ${count(cluster.hosts.length, 'host')}.\nNext    ${at.self} validate · ${at.self} plan · ${at.self} apply\n`,
    );
  return EXIT.ok;
}

/** Writes a file that must not be there yet, unless forced. */
export async function writeNew(path: string, text: string, shown: string, force: boolean): Promise<void> {
  try {
    await writeFile(path, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new Failure(code === 'EEXIST' ? `${shown} is there already.` : `${shown} cannot be written (${code}).`, {
      exitCode: EXIT.badInput,
      cause: error,
      ...(code === 'EEXIST' && { hint: '--force replaces it; -f writes to another place.' }),
    });
  }
}
