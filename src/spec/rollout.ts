import * as z from 'zod';
import { duration } from '../roles/duration.ts';

export { duration };

const AMOUNT = 'wants a whole number of at least 1, or a percentage from 1% to 100% such as 25%';
const BUDGET = 'wants a whole number, or a percentage from 0% to 100% such as 10%';

/** Of nothing there is no wave. */
const amount = z.union([z.int(AMOUNT).min(1), z.string().regex(/^(?:[1-9]\d?|100)%$/, AMOUNT)], AMOUNT);
const budget = z.union([z.int(BUDGET).min(0), z.string().regex(/^(?:\d|[1-9]\d|100)%$/, BUDGET)], BUDGET);

const Waves = z.strictObject({
  perSite: amount
    .exactOptional()
    .describe(
      "How many of each site's hosts go at a time: a number, or a percentage of the hosts of that site. Percentages are rounded down, but never to 0. Default: 100%.",
    ),
  sites: amount
    .exactOptional()
    .describe(
      'How many sites go at a time, in the order in which their hosts stand in this file; the next ones begin when those are done. Default: 100%.',
    ),
});

const Approval = z.strictObject({
  before: z
    .enum(['start', 'rest'])
    .describe(
      'start: when all hosts have been asked and nothing is changed yet. rest: when the first wave (the canary, if there is one) is done and has soaked.',
    ),
  expires: duration
    .prefault('24h')
    .describe(
      'How long it may be waited for: 90s, 5m, 24h or 2d. When nobody has agreed by then, the rollout ends, and nothing more is changed.',
    ),
});

/** How a rollout goes about its hosts, and what happens when something goes wrong. */
export const Rollout = z.strictObject({
  canary: amount
    .exactOptional()
    .describe(
      'How many hosts go before all others, as a number or a percentage: one of every site, then a second of every site. Only when all is well with them do the others follow. Missing: no canary.',
    ),
  waves: Waves.exactOptional().describe(
    'In which portions the hosts go. A wave must be well before the next one begins, so a mistake reaches no more hosts than stand in one. What spans the cluster, such as the start of a replica set, keeps its own order. Missing: all hosts at once.',
  ),
  soak: duration
    .exactOptional()
    .describe(
      'How long to watch after a wave that changed something, before the next one begins: 90s, 5m, 1h. Missing: not at all.',
    ),
  approval: Approval.exactOptional().describe(
    'A point at which the rollout waits until somebody agrees (`farweave approve`, or the signal of that name). Missing: nobody is asked.',
  ),
  budget: budget
    .default(0)
    .describe(
      'How many hosts may be parked (unreachable or failed), as a number or a percentage of all, before the rollout counts as failed. Parked hosts are left out while the others finish. 0 and 0% allow none; any other percentage allows at least 1.',
    ),
  onFailure: z
    .enum(['pause', 'rollback', 'continue'])
    .default('pause')
    .describe(
      'After a step has failed for good: pause (wait for retry, skip or rollback), rollback (undo what this rollout changed) or continue (within the budget).',
    ),
});

export type Rollout = z.infer<typeof Rollout>;

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

const TIME = 'wants a time from 00:00 to 23:59, such as 22:00';
const time = z.string(TIME).regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, TIME);

/** When a site may be worked on. In the parsed spec days are numbers, 0 is Sunday. */
export const SiteWindow = z.strictObject({
  days: z
    .array(z.enum(DAYS))
    .min(1)
    .transform((names) => DAYS.flatMap((day, n) => (names.includes(day) ? [n] : [])))
    .exactOptional()
    .describe('Days on which it opens: mon, tue, wed, thu, fri, sat, sun. Missing: every day.'),
  from: time.describe('When it opens, such as 22:00.'),
  to: time.describe(
    'When it closes. A time before `from` is one of the next day; the same as `from` is a whole day and night.',
  ),
});
