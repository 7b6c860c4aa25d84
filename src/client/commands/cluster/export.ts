import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { identityOf, newIdentity, openerOf } from '../../../activities/vault.ts';
import { type ClusterState, elsewhere } from '../../../workflows/contract.ts';
import { thereAlready, writeClusterFile } from '../../cluster-file.ts';
import { type At, mustBeKnown, readSpec, stateOf, unknownCluster, withTemporal, writeJson } from '../../command.ts';
import { EXIT, Failure } from '../../errors.ts';
import { status, unschedule } from '../../index.ts';
import { belongings, moveAway, resealed } from '../../moving.ts';
import { passphrase } from '../../passphrase.ts';
import { whoAmI } from '../../who.ts';

interface Options {
  readonly output?: string;
  readonly force?: boolean;
  readonly keep?: boolean;
}

/** Writes the cluster into a file; unless it is to be kept, nothing is rolled out from here any more. */
export async function exportCluster(at: At, { output, force = false, keep = false }: Options): Promise<number> {
  const { io } = at;
  const { name } = await readSpec(at);
  const file = output ?? `${name}.farweave.age`;
  const path = resolve(io.cwd, file);
  mustBeKnown(at, name);
  if (existsSync(path) && !force) throw thereAlready(file);
  return await withTemporal(at, async (farweave) => {
    const known = await status(farweave, name);
    if (!known) throw unknownCluster(at, name);
    mayGo(name, known, keep);
    const state = await belongings(farweave, name);
    const { identity, sealed } = await leaving(at, state.sealed);
    const by = whoAmI();
    const content = {
      format: 'farweave-cluster/1',
      cluster: name,
      exported: { at: new Date().toISOString(), by },
      identity,
      state: { ...state, sealed },
    } as const;
    await writeClusterFile(path, content, { passphrase: await passphrase(io, { twice: true }), force });
    if (!keep) {
      // The file first: a cluster that has moved into nothing would be lost.
      await moveAway(farweave, name, { by, revision: state.revision }).catch(async (error: unknown) => {
        // Where nobody has answered it may have moved all the same: then this is where to.
        const isRefused = error instanceof Failure && error.exitCode === EXIT.failed;
        if (isRefused && !force) await rm(path, { force: true });
        throw error;
      });
      await unschedule(farweave, name);
    }
    if (at.global.json) writeJson(at, { cluster: name, revision: state.revision, file: path, moved: !keep });
    else io.out.write(`${told(at, name, state.revision, file, keep).join('\n')}\n`);
    return EXIT.ok;
  });
}

/** Refused early, to ask nobody for a passphrase in vain; the cluster has the last word. */
function mayGo(name: string, { rollout, moved }: ClusterState, keep: boolean): void {
  if (rollout) {
    throw new Failure(`A rollout of ${name} runs (revision ${rollout.revision}).`, {
      hint: 'Wait until it has ended (farweave watch), or end it (farweave cancel).',
    });
  }
  if (moved && !keep) {
    throw new Failure(`${elsewhere(name, moved)}.`, {
      hint: 'Export it there. To write the file of that time once more: --keep.',
    });
  }
}

/**
 * The secrets sealed anew, with an identity of their own beside them: that of the workers here opens more than this cluster,
 * and what is sealed later.
 */
async function leaving(at: At, sealed: ClusterState['sealed']) {
  const own = await identityOf(stateOf(at));
  const { identity, recipient } = await newIdentity();
  const none = () => Promise.reject(new Error('no identity'));
  const anew = await resealed(sealed, own === undefined ? none : openerOf(own), recipient);
  if (own !== undefined && anew.lost.length === 0) return { identity, sealed: anew.sealed };
  throw new Failure(`Its secrets are sealed for workers whose identity is not in ${stateOf(at)}.`, {
    hint: 'Run this where the workers are, with --state and their state folder.',
  });
}

function told({ self }: At, name: string, revision: number, file: string, keep: boolean): readonly string[] {
  const what = `${name}, revision ${revision}, is in ${file} now. Who has it and its passphrase has the cluster and its secrets.`;
  if (keep) return [what, 'It stays here as well. Taken up elsewhere, it would have two masters: keep it as a backup.'];
  return [
    what,
    'From here nothing is rolled out any more.',
    `  farweave cluster adopt ${file}    on the machine that takes it over`,
    `  ${self} cluster adopt ${file}    here: brings it back`,
  ];
}
