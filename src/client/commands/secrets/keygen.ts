import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { keygen } from '../../../activities/vault.ts';
import { type At, stateOf, writeJson } from '../../command.ts';
import { EXIT, Failure } from '../../errors.ts';

/** Makes an identity for workers before there are any, and prints for whom to seal. */
export async function keygenOne(at: At, { output }: { readonly output?: string }): Promise<number> {
  const path = output === undefined ? join(stateOf(at), 'identity') : resolve(at.io.cwd, output);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const recipient = await keygen(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new Failure(`${path} is there already.`, {
      hint: 'What was sealed for it would be lost. To change identities: farweave secrets rotate.',
      exitCode: EXIT.badInput,
    });
  });
  if (at.global.json) writeJson(at, { identity: path, recipient });
  else {
    at.io.err.write(`The identity is in ${path}: who has it can open what is sealed for it.\n`);
    at.io.out.write(`${recipient}\n`);
  }
  return EXIT.ok;
}
