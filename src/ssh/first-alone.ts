import { AuthenticationFailed } from './errors.ts';
import type { RootShell } from './root-shell.ts';

/** Opens shells, the first of them alone: a password that is refused must not be tried by several at once. */
export class FirstAlone {
  #proof: Promise<unknown> | undefined;
  #isProven = false;

  /** Rejects as `open` does, for those that wait for the first as well where its login is refused. */
  async open(open: () => Promise<RootShell>): Promise<RootShell> {
    while (!this.#isProven && this.#proof) {
      const failed: unknown = await this.#proof;
      if (failed instanceof AuthenticationFailed) throw failed;
    }
    const opening = open();
    if (!this.#isProven) this.#proof = this.#proved(opening);
    return opening;
  }

  async #proved(opening: Promise<RootShell>): Promise<unknown> {
    try {
      await opening;
      this.#isProven = true;
      return undefined;
    } catch (error) {
      return error;
    } finally {
      this.#proof = undefined;
    }
  }
}
