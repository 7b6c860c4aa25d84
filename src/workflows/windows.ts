import { condition, proxyActivities } from '@temporalio/workflow';
import type { AskWindows } from '../activities/contract.ts';
import type { Progress, SiteInput } from './contract.ts';

const { 'site.windows': ask } = proxyActivities<{ 'site.windows': AskWindows }>({
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '1s', maximumInterval: '1 minute' },
});

/** When work may begin at sites. Asked of a worker: tables of time zones change, and a replay must not see another one. */
export class Windows {
  readonly #windows: NonNullable<SiteInput['windows']>;
  /** Site → until when it is open, in milliseconds since 1970. */
  readonly #open = new Map<string, number>();
  readonly #asking = new Map<string, Promise<void>>();
  /** For which site's opening somebody waits. */
  waits: Progress['waits'];

  constructor(windows: SiteInput['windows'] = {}) {
    this.#windows = windows;
  }

  isShut(site: string): boolean {
    return this.#windows[site] !== undefined && Date.now() >= (this.#open.get(site) ?? 0);
  }

  /** Returns when the site is open, or when it does not matter any more. All who wait for a site wait together. */
  async opened(site: string, isOver: () => boolean): Promise<void> {
    while (this.isShut(site) && !isOver()) {
      const asking = this.#asking.get(site) ?? this.#ask(site, isOver).finally(() => this.#asking.delete(site));
      this.#asking.set(site, asking);
      await asking;
    }
  }

  async #ask(site: string, isOver: () => boolean): Promise<void> {
    const { [site]: answer } = await ask({ windows: { [site]: this.#windows[site]! } });
    const until = Date.now() + answer!.milliseconds;
    if (answer!.open) return void this.#open.set(site, until);
    this.waits = { for: 'window', until: new Date(until).toISOString() };
    await condition(isOver, answer!.milliseconds, { summary: `${site} opens` });
    this.waits = undefined;
  }
}
