import type { ClusterView, Revision } from '../../workflows/contract.ts';
import { accompany } from '../accompany.ts';
import { type At, mannerOf, withCluster } from '../command.ts';
import { confirm } from '../confirm.ts';
import { EXIT, Failure } from '../errors.ts';
import { clock, count, printable } from '../format.ts';
import { rollbackTo as begin } from '../index.ts';
import { waiting } from '../waiting.ts';

interface Options {
  /** The revision; the last one with another plan unless told. */
  readonly to?: number | undefined;
  readonly yes?: boolean | undefined;
  readonly reason?: string | undefined;
}

/** Carries the plan of an earlier revision out once more, while nothing else runs, and gives the exit code. */
export async function rollbackTo(at: At, { to, yes, reason }: Options): Promise<number> {
  return await withCluster(at, async (farweave, name, state) => {
    const wanted = chosen(state, to);
    // Where it would be refused anyway, nobody is asked first.
    if (wanted && !state.rollout && !yes && !(await agreed(at, state, wanted))) return EXIT.failed;
    // What somebody has agreed to, even if another apply has ended since.
    const revision = to ?? wanted?.revision;
    const asked = { ...(revision !== undefined && { revision }), ...(reason && { reason }) };
    const { said, rollout } = await waiting(at.io, 'Beginning the rollout', () => begin(farweave, name, asked));
    at.io.err.write(`${said}\n`);
    return await accompany(farweave, { cluster: name, ...rollout! }, mannerOf(at));
  });
}

function chosen({ revisions = [] }: ClusterView, to: number | undefined): Revision | undefined {
  const latest = revisions.at(-1)?.digest;
  return revisions.findLast(({ revision, kept, digest, state }) =>
    to === undefined ? kept && state === 'done' && digest !== latest : revision === to && kept,
  );
}

async function agreed({ io, self }: At, { knowledge }: ClusterView, wanted: Revision): Promise<boolean> {
  const { revision, at, by, digest, hosts } = wanted;
  io.err.write(
    `Revision ${revision}, applied ${clock(Date.parse(at), undefined, { seconds: true })} by ${printable(by)}: plan ${digest.slice(0, 16)}, ${count(hosts, 'host')} (${Object.keys(knowledge.indexes).length} known by now).\n`,
  );
  if (!io.canAsk)
    throw new Failure('Nobody is there to agree to it.', {
      hint: `${self} rollback --to ${revision} --yes goes back without asking.`,
      exitCode: EXIT.badInput,
    });
  const yes = await confirm(`Make the hosts what revision ${revision} had made them?`);
  if (!yes) io.err.write('Nothing was touched.\n');
  return yes;
}
