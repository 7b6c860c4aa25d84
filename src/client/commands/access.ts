import type { Command } from 'commander';
import { ACCESS_KEY, ACCESS_SUDO, currentKey } from '../../plan/access-key.ts';
import type { ClusterView } from '../../workflows/contract.ts';
import { accompany } from '../accompany.ts';
import { type At, fetched, mannerOf, type Run, teach, withCluster, writeJson } from '../command.ts';
import { confirm } from '../confirm.ts';
import { EXIT } from '../errors.ts';
import { table } from '../format.ts';
import { apply, rotation } from '../index.ts';
import { draftLines } from '../report.ts';
import { waiting } from '../waiting.ts';

interface Options {
  readonly yes?: boolean;
}

export function addAccess(program: Command, run: Run): void {
  const access = program
    .command('access')
    .summary('the key that was made for the cluster')
    .description(
      'With `access: { rotate: true }` in the cluster file Farweave makes a key for the cluster, installs it on every ' +
        'host, proves that it logs in, and needs the password no longer: an apply does not ask for it. Where sudo asks ' +
        'for a password, that one is still needed.',
    );
  teach(access, [
    ['farweave access list', 'by which key each host lets Farweave in, and what is still needed'],
    ['farweave access rotate', 'another key on all hosts, in place of the one they have'],
  ]);
  access
    .command('list')
    .summary('list by which key hosts are logged in to')
    .description('Lists by which key of the cluster each host lets Farweave in (-: by what the cluster file gives).')
    .action(run(list));
  const rotate = access
    .command('rotate')
    .summary('give all hosts a new key')
    .description(
      'Makes a new key, installs it on each host beside the old one, proves that it logs in, and only then takes the old ' +
        'one away: at no moment is a host without a key that works. It is a rollout of these steps alone, in the waves of ' +
        'the cluster file. Hosts that are parked keep the old key until they come back. If it was broken off, the same ' +
        'command finishes it.',
    )
    .option('-y, --yes', 'do not ask')
    .action(run(rotateKey));
  teach(rotate, [
    ['farweave access rotate', 'show, ask, roll out, watch'],
    ['farweave access rotate --yes --json', 'for scripts: the outcome as one JSON document'],
  ]);
}

async function list(at: At): Promise<number> {
  return await withCluster(at, async (_farweave, _name, state, cluster) => {
    const rows = cluster.hosts.map((host) => rowOf(state, host.name));
    if (at.global.json) writeJson(at, { hosts: rows });
    else {
      const told = rows.map(({ host, key = '-', former, sudo }) => [
        host,
        key,
        ...(former ? ['to be rotated'] : []),
        ...(sudo ? ['sudo asks for its password'] : []),
      ]);
      at.io.out.write(
        table(told)
          .map((line) => `${line}\n`)
          .join(''),
      );
    }
    return EXIT.ok;
  });
}

function rowOf({ facts, knowledge }: ClusterView, host: string) {
  const key = facts[ACCESS_KEY]?.[host] || undefined;
  const asks = key !== undefined && facts[ACCESS_SUDO]?.[host] === 'asks';
  return {
    host,
    ...(key !== undefined && { key }),
    ...(key !== undefined && key !== currentKey(knowledge) && { former: true as const }),
    ...(asks && { sudo: true as const }),
  };
}

async function rotateKey(at: At, { yes }: Options): Promise<number> {
  return await withCluster(at, async (farweave, _name, state, cluster) => {
    const made = rotation(state);
    const values = await fetched(at, cluster, made, state);
    if (at.io.canAsk && !yes) {
      at.io.out.write(`${draftLines(made, at.io).join('\n')}\n`);
      if (!(await confirm('Rotate the key of these hosts?'))) {
        at.io.err.write('Nothing was touched.\n');
        return EXIT.failed;
      }
    }
    const rollout = await waiting(at.io, 'Beginning the rotation', () => apply(farweave, made, values));
    return await accompany(farweave, rollout, mannerOf(at));
  });
}
