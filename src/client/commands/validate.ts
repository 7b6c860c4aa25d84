import type { Command } from 'commander';
import { type At, missingSecrets, type Run, readSpec, teach, writeJson } from '../command.ts';
import { EXIT } from '../errors.ts';
import { count } from '../format.ts';
import { draft } from '../index.ts';

export function addValidate(program: Command, run: Run): void {
  const command = program
    .command('validate')
    .summary('check cluster.yaml')
    .description(
      'Checks the cluster file and says everything that is wrong with it at once, each with file, line and path; warns of ' +
        'secrets that are not in the environment or the file that it names. ' +
        'Needs no server and touches no host.',
    )
    .action(run(validate));
  teach(command, [
    ['farweave validate', 'check ./cluster.yaml'],
    ['farweave -f forum.yaml validate --json', 'problems as JSON'],
  ]);
}

async function validate(at: At): Promise<number> {
  const cluster = await readSpec(at);
  const { plan } = draft(cluster, undefined);
  const missing = await missingSecrets(at, cluster);
  for (const { name, message } of missing) at.io.err.write(`warning: secret ${name}: ${message}\n`);
  const sites = Object.keys(cluster.sites);
  if (at.global.json) {
    writeJson(at, {
      ok: true,
      cluster: cluster.name,
      sites,
      hosts: cluster.hosts.map(({ name }) => name),
      ...(missing.length > 0 && { missing }),
    });
  } else {
    const what = `${count(cluster.hosts.length, 'host')} in ${count(sites.length, 'site')}`;
    at.io.out.write(
      `${at.global.file}: cluster ${cluster.name}, ${what}, ${count(plan.stages.length, 'stage')}: good\n`,
    );
  }
  return EXIT.ok;
}
