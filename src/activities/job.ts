import { setTimeout as pass } from 'node:timers/promises';
import type { Output } from '../ssh/command.ts';
import { LinkLost } from '../ssh/errors.ts';
import type { Connect, Job, Target } from '../ssh/host.ts';
import type { Pulse } from './pulse.ts';

/** How long to wait before a broken link is tried again, in milliseconds. What lasts longer is for the workflow's patience. */
const RECONNECT = [500, 2_000, 5_000];

/**
 * Carries out a change as a remote job, or follows the one that is there, to its end.
 * A link that breaks is made anew; a worker that shuts down lets go; an activity that is cancelled ends it.
 */
export async function runJob(connect: Connect, target: Target, job: Job, pulse: Pulse): Promise<Output> {
  let offset = pulse.offsetOf(job.key);
  for (let attempt = 0; ; attempt++) {
    try {
      const host = await connect(target);
      pulse.says({ job: job.key, offset });
      return await host.run(job, {
        offset,
        cancel: pulse.cancel,
        detach: pulse.detach,
        onLog: (chunk, after) => {
          offset = after;
          pulse.log(chunk, after);
        },
      });
    } catch (error) {
      const wait = RECONNECT[attempt];
      if (!(error instanceof LinkLost) || wait === undefined || pulse.stop.aborted) throw error;
      await pass(wait, undefined, { signal: pulse.stop }).catch(() => {});
    }
  }
}
