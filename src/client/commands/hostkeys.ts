import type { Command } from 'commander';
import { HOST_KEY } from '../../plan/plan.ts';
import type { ClusterView } from '../../workflows/contract.ts';
import { accompany } from '../accompany.ts';
import { type At, fetched, mannerOf, type Run, teach, withCluster, writeJson } from '../command.ts';
import { confirm } from '../confirm.ts';
import { EXIT, Failure } from '../errors.ts';
import { table } from '../format.ts';
import { acceptHostKey, apply, hostKeyRotation, rotated } from '../index.ts';
import { waiting } from '../waiting.ts';

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
    ['farweave hostkeys rotate', 'give all hosts a new key, and hold them to that one'],
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
  const rotate = hostkeys
    .command('rotate')
    .summary('give hosts a new key')
    .description(
      'Makes a new Ed25519 key on each host, puts it in place of the one that sshd shows, sees it from outside, and only ' +
        'then holds the host to it. Until the rollout has ended either key counts, so that a rotation that was broken off ' +
        'shuts nobody out; a rollback puts the former key back. It is a rollout of these steps alone, in the waves of the ' +
        'cluster file. Sessions stay open. Parked hosts keep their key, and so do bastions, which are not rolled out to.',
    )
    .argument('[hosts...]', 'such as vm1 vm2; all of them without')
    .option('-y, --yes', 'do not ask')
    .action(run(rotateKeys));
  teach(rotate, [
    ['farweave hostkeys rotate', 'show, ask, roll out, watch'],
    ['farweave hostkeys rotate vm1 vm2', 'these hosts only'],
    ['farweave hostkeys rotate --yes --json', 'for scripts: the outcome as one JSON document'],
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

async function rotateKeys(at: At, names: readonly string[], { yes }: Pick<Options, 'yes'>): Promise<number> {
  return await withCluster(at, async (farweave, _name, state, cluster) => {
    const made = hostKeyRotation(state, names);
    const values = await fetched(at, cluster, made, state);
    if (at.io.canAsk && !yes) {
      const rows = rotated(made).map((host) => [host, keysOf(state, host)[0] ?? '-']);
      at.io.out.write(`${table(rows).join('\n')}\n`);
      if (!(await confirm('Give these hosts a new key to be known by?'))) {
        at.io.err.write('Nothing was touched.\n');
        return EXIT.failed;
      }
    }
    const rollout = await waiting(at.io, 'Beginning the rotation', () => apply(farweave, made, values));
    return await accompany(farweave, rollout, mannerOf(at));
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
