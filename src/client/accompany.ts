import type { Farweave } from './connection.ts';
import { departed, ended, stuck } from './ending.ts';
import { type Followed, follow } from './follow.ts';
import { type Manner, showOf } from './show.ts';
import { isStuck, type View } from './view.ts';

/**
 * Follows a rollout on this terminal to its end, or to where somebody must decide, and tells how it stands.
 * Ctrl-C leaves the rollout running. Gives the exit code.
 */
export async function accompany(farweave: Farweave, rollout: Followed, manner: Manner): Promise<number> {
  const leave = new AbortController();
  const restore = manner.io.onInterrupt(() => leave.abort());
  const show = showOf(manner);
  let last: View | undefined;
  try {
    const options = { signal: leave.signal, running: !manner.events, revive: farweave.revive };
    for await (const view of follow(farweave.client, rollout, options)) {
      last = view;
      show.view(view);
      if (isStuck(view.progress)) break;
    }
  } finally {
    show.close();
    restore();
  }
  if (leave.signal.aborted || !last) return departed(rollout, manner);
  return last.outcome ? ended(farweave, rollout, last, last.outcome, manner) : stuck(farweave, rollout, last, manner);
}
