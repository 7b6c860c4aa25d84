import { isCiphertext } from '../plan/sealed.ts';
import { makeKey } from '../ssh/access-key.ts';
import type { GenerateSecrets, Reseal } from './contract.ts';
import { failure } from './failures.ts';
import { FOREIGN } from './secrets.ts';
import { random, type Vault } from './vault.ts';

/** `secrets.generate`: made and sealed in one go, so that no value leaves the worker. */
export function createGenerate(vault: Vault): GenerateSecrets {
  return async ({ secrets, open = {} }) => {
    const opened = Object.entries(open)
      .filter(([, text]) => isCiphertext(text))
      .map(async ([name, text]) => [name, await isOurs(vault, text)] as const);
    const foreign = (await Promise.all(opened)).flatMap(([name, isOpen]) => (isOpen ? [] : [name]));
    if (foreign.length > 0)
      throw failure(
        'InvalidArguments',
        `${foreign.join(', ')}: sealed for other workers than these, or damaged`,
        FOREIGN,
      );
    const sealed = Object.entries(secrets).map(async ([name, how]) => {
      return [name, await vault.seal('key' in how ? makeKey() : random(how))] as const;
    });
    return Object.fromEntries(await Promise.all(sealed));
  };
}

/** `secrets.reseal`: opened and sealed in one go, so that no value leaves the worker. */
export function createReseal(vault: Vault): Reseal {
  return async ({ sealed }) => {
    const entries = Object.entries(sealed).filter(([, text]) => isCiphertext(text));
    const anew = entries.map(async ([name, text]) => [name, await vault.reseal(text).catch(() => undefined)] as const);
    const done = await Promise.all(anew);
    return {
      recipient: await vault.recipientNow(),
      sealed: Object.fromEntries(
        done.flatMap(([name, text]) => (text === undefined || text === sealed[name] ? [] : [[name, text] as const])),
      ),
      lost: done.flatMap(([name, text]) => (text === undefined ? [name] : [])),
    };
  };
}

const isOurs = (vault: Vault, text: string) =>
  vault.open(text).then(
    () => true,
    () => false,
  );
