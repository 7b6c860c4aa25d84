import { HostKeyChanged } from '../ssh/errors.ts';
import type { Greet } from './contract.ts';
import { classify, failure } from './failures.ts';
import type { Tools } from './visit.ts';

/** No machine has it: a connection that wants it ends when the machine has shown its own, before anything is sent. */
const NOBODYS = 'SHA256:-';

/** `hosts.greet`: which key a machine shows. */
export function createGreet({ connect }: Pick<Tools, 'connect'>): Greet {
  return async ({ host: { name, address, port, user } }) => {
    try {
      await connect({ name, address, port, user, hostKey: NOBODYS });
    } catch (error) {
      if (error instanceof HostKeyChanged) return error.shown;
      throw classify(error, name);
    }
    throw failure('Unexpected', `${name} shows no key`);
  };
}
