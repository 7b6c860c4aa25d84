import type { Window } from '../plan/plan.ts';
import { opening } from '../plan/window.ts';
import type { AskWindows } from './contract.ts';
import { failure } from './failures.ts';

/** Which windows are open now, by the clock and the time zones of this worker. */
export const askWindows: AskWindows = async ({ windows }) => {
  const now = new Date();
  return Object.fromEntries(Object.entries(windows).map(([site, window]) => [site, ask(site, window, now)]));
};

function ask(site: string, window: Window, now: Date): ReturnType<typeof opening> {
  try {
    return opening(window, now);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const hint = 'Give the zone another of its names, or upgrade Node.js on the workers.';
    throw failure('InvalidArguments', `site ${site}: the worker knows no time zone ${window.timezone}`, { hint });
  }
}
