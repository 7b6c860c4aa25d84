import { askHidden } from './confirm.ts';
import { EXIT, Failure } from './errors.ts';
import type { Io } from './io.ts';

/** The file holds every secret of the cluster, and may be carried about. */
const SHORTEST = 8;

/** From `$FARWEAVE_PASSPHRASE`, or from who sits at the terminal; `twice` for one that is new. Throws a `Failure` (exit code 2). */
export async function passphrase({ env, canAsk }: Pick<Io, 'env' | 'canAsk'>, { twice = false } = {}): Promise<string> {
  const given = env['FARWEAVE_PASSPHRASE'] || (canAsk ? await askHidden('Passphrase of the file') : undefined);
  if (!given) throw wrong('No passphrase was given.', 'Put it into $FARWEAVE_PASSPHRASE, or call this on a terminal.');
  if (!twice) return given;
  if (given.length < SHORTEST) throw wrong(`The passphrase is too short: at least ${SHORTEST} characters.`);
  if (!env['FARWEAVE_PASSPHRASE'] && (await askHidden('Once more')) !== given)
    throw wrong('The passphrases are not the same.');
  return given;
}

function wrong(message: string, hint?: string): Failure {
  return new Failure(message, { exitCode: EXIT.badInput, ...(hint && { hint }) });
}
