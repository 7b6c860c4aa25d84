import type { SecretReference, SecretValue } from '../../../roles/secret.ts';
import { readTarget } from '../../../spec/init.ts';
import { accessSecrets } from '../../../spec/login.ts';
import { resolveSecrets } from '../../../spec/secrets.ts';
import type { Added } from '../../../workflows/contract.ts';
import { type At, folderOf } from '../../command.ts';
import { EXIT, Failure } from '../../errors.ts';

/** What the command line says of a host that comes. */
export interface Joining {
  readonly site?: string;
  readonly hostKey?: string;
  readonly via?: string;
  readonly label?: readonly string[];
  readonly role?: readonly string[];
  readonly password?: string;
  readonly privateKey?: string;
  readonly sudoPassword?: string;
}

/** A host as cluster.yaml would have it. Whether it is right is for the spec to say. */
export function newHost(name: string, place: string, options: Joining): Added {
  const { address, user, port } = readTarget(place);
  const { site = '', hostKey, via, label = [], role, password, privateKey, sudoPassword } = options;
  return {
    name,
    site,
    address,
    ...(port !== undefined && { port: Number(port) }),
    ...(user !== undefined && { user }),
    ...(hostKey !== undefined && { hostKey }),
    ...(via !== undefined && { via }),
    ...(label.length > 0 && { labels: Object.fromEntries(label.map(labelOf)) }),
    ...(role && { roles: [...role] }),
    ...(password !== undefined && { password: referenceOf(password) }),
    ...(privateKey !== undefined && { privateKey: referenceOf(privateKey) }),
    ...(sudoPassword !== undefined && { sudo: { password: referenceOf(sudoPassword) } }),
  };
}

/** Values of the secrets that are the host's own. Throws SecretsError, which names all that are missing. */
export async function ownSecrets(at: At, { labels = {}, ...host }: Added): Promise<Record<string, SecretValue>> {
  const references = accessSecrets([{ ...host, labels }], {});
  return Object.fromEntries(await resolveSecrets(references, at.io.env, { directory: folderOf(at) }));
}

function labelOf(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw bad(`${text} is no label.`, 'Wants key=value, such as disk=fast.');
}

/** A secret's value has no place on a command line, where every user of the machine can read it. */
function referenceOf(text: string): SecretReference {
  const [, from, what = ''] = /^(env|file|worker|age):(.+)$/.exec(text) ?? [];
  if (from === 'env') return { env: what };
  if (from === 'file') return { file: what };
  if (from === 'worker') return { worker: what };
  if (from === 'age') return { age: what };
  throw bad(
    'A secret is named on the command line, never written there.',
    'Wants env:NAME, file:PATH, worker:ENTRY or age:SEALED.',
  );
}

const bad = (message: string, hint: string) => new Failure(message, { hint, exitCode: EXIT.badInput });
