import { HostKeyChanged } from '../ssh/errors.ts';
import type { Greet } from './contract.ts';
import { classify, failure } from './failures.ts';
import type { Tools } from './visit.ts';

/** No machine has it: a connection that wants it ends when the machine has shown its own, before anything is sent. */
const NOBODYS = 'SHA256:-';

/** `hosts.greet`: which key a machine shows. */
export function createGreet({ connect, open }: Pick<Tools, 'connect' | 'open'>): Greet {
  return async ({ host, bastions, facts = {}, sealed = {} }) => {
    const { name } = host;
    const secrets = open(sealed);
    try {
      await connect(await secrets.target({ ...host, access: {}, hostKey: NOBODYS }, facts, bastions));
    } catch (error) {
      if (error instanceof HostKeyChanged) return error.shown;
      throw classify(error, name, {}, secrets.redact);
    }
    throw failure('Unexpected', `${name} shows no key`);
  };
}
