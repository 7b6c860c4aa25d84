import { seal } from '../../../activities/vault.ts';
import { type At, stateOf, writeJson } from '../../command.ts';
import { askHidden } from '../../confirm.ts';
import { recipient as recipientOf } from '../../connection.ts';
import { EXIT, Failure } from '../../errors.ts';

/** As that of the files that secrets are read from, in characters. */
const LIMIT = 65_536;

interface Options {
  readonly recipient?: readonly string[];
}

/** Seals a value for the workers, to stand in the cluster file. The value comes on stdin or is typed: arguments can be read by all. */
export async function sealOne(at: At, name: string | undefined, { recipient: given }: Options): Promise<number> {
  const recipients = given ?? [await recipientOf(stateOf(at), at.io.env)];
  const age = await sealed(recipients, await valueOf(at, name));
  if (at.global.json) writeJson(at, { age, recipients });
  else at.io.out.write(`{ age: ${age} }\n`);
  return EXIT.ok;
}

async function sealed(recipients: readonly string[], value: string): Promise<string> {
  try {
    return await seal(recipients, value);
  } catch (error) {
    throw bad(`This cannot be sealed for ${recipients.join(', ')}.`, 'A recipient begins with age1.', error);
  }
}

async function valueOf({ io }: At, name: string | undefined): Promise<string> {
  const isTyped = io.canAsk && name !== '-';
  const text = isTyped ? ((await askHidden(name ? `Value of ${name}` : 'Value')) ?? '') : await io.input();
  const value = text.replace(/\r?\n$/, '');
  if (value === '')
    throw bad('There is nothing to seal.', 'The value is taken from stdin: farweave secrets seal < FILE');
  if (value.length > LIMIT) throw bad(`The value is larger than ${LIMIT / 1024} KiB.`, 'Is it the right file?');
  return value;
}

const bad = (message: string, hint: string, cause?: unknown) =>
  new Failure(message, { hint, exitCode: EXIT.badInput, cause });
