import type { Command } from 'commander';
import { HOST_KEY } from '../../plan/plan.ts';
import type { ClusterView } from '../../workflows/contract.ts';
import { accompany } from '../accompany.ts';
import { type At, mannerOf, type Run, teach, withCluster, writeJson } from '../command.ts';
import { confirm } from '../confirm.ts';
import { EXIT, Failure } from '../errors.ts';
import { table } from '../format.ts';
import { acceptHostKey } from '../index.ts';

interface Options {
  readonly fingerprint?: string;
  readonly yes?: boolean;
}

export function addHostkeys(program: Command, run: Run): void {
  const hostkeys = program
    .command('hostkeys')
    .summary('the keys that hosts are known by')
    .description(
      'The first key that a host shows is held to ever after. A host that shows another one is another machine, or the ' +
        'same one rebuilt: it is sent no password, it is parked, and somebody has to say which it is.',
    );
  teach(hostkeys, [
    ['farweave hostkeys list', 'the known keys, and those that were shown instead'],
    ['farweave hostkeys accept vm1', 'compare, agree, and take vm1 along again'],
  ]);
  hostkeys
    .command('list')
    .summary('list them')
    .description('Lists the known keys, and open questions.')
    .action(run(list));
  const accept = hostkeys
    .command('accept')
    .summary('take the new key of a host')
    .description(
      'Holds a host to the key that it shows now, and takes it along again. Compare the fingerprint first with what ' +
        'ssh-keygen -lf says on the console of the host.',
    )
    .argument('<host>', 'such as vm1')
    .option('--fingerprint <SHA256:…>', 'only if it is this one; then nobody is asked')
    .option('-y, --yes', 'do not ask')
    .action(run(acceptKey));
  teach(accept, [
    ['farweave hostkeys accept vm1', 'shows both keys and asks'],
    ['farweave hostkeys accept vm1 --fingerprint SHA256:…', 'for scripts: exactly this key, or nothing'],
  ]);
}

async function list(at: At): Promise<number> {
  return await withCluster(at, async (_farweave, _name, state) => {
    const rows = Object.keys({ ...state.facts[HOST_KEY], ...state.parked }).flatMap((host) => {
      const [known, shown] = keysOf(state, host);
      return known === undefined && shown === undefined
        ? []
        : [{ host, ...(known && { known }), ...(shown && { shown }) }];
    });
    if (at.global.json) writeJson(at, { hostkeys: rows });
    else {
      const told = rows.map(({ host, known = '-', shown }) => [host, known, ...(shown ? [`shows ${shown}`] : [])]);
      at.io.out.write(
        table(told)
          .map((line) => `${line}\n`)
          .join(''),
      );
    }
    return EXIT.ok;
  });
}

async function acceptKey(at: At, host: string, { fingerprint, yes }: Options): Promise<number> {
  return await withCluster(at, async (farweave, name, state) => {
    const [known, shown] = keysOf(state, host);
    if (shown !== undefined)
      at.io.err.write(`${host} was known by  ${known ?? 'no key'}\n${host} shows         ${shown}\n`);
    const wanted = fingerprint ?? shown ?? '';
    if (fingerprint === undefined && !yes && shown !== undefined && !(await agreed(at, host))) return EXIT.failed;
    const { said, rollout } = await acceptHostKey(farweave, name, { host, fingerprint: wanted });
    at.io.err.write(`${said}\n`);
    if (rollout) return await accompany(farweave, { cluster: name, ...rollout }, mannerOf(at));
    if (at.global.json) writeJson(at, { cluster: name, host, fingerprint: wanted });
    return EXIT.ok;
  });
}

async function agreed({ io }: At, host: string): Promise<boolean> {
  if (!io.canAsk)
    throw new Failure(`Nobody is there to say whether the new key of ${host} is right.`, {
      hint: 'Give --fingerprint SHA256:… (or --yes).',
      exitCode: EXIT.badInput,
    });
  const yes = await confirm(`Is ${host} the machine that shows it?`);
  if (!yes) io.err.write('Nothing was changed.\n');
  return yes;
}

/** The key that a host is known by, and the one that it shows instead. */
function keysOf({ facts, parked = {} }: ClusterView, host: string): readonly [string | undefined, string | undefined] {
  const open = parked[host];
  return [facts[HOST_KEY]?.[host], open?.acceptedKey === undefined ? open?.shownKey : undefined];
}
