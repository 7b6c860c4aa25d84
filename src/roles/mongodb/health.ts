import * as z from 'zod';
import type { Output } from '../../ssh/command.ts';
import { no, operation, unknown, type Verdict, yes } from '../operation.ts';
import { shellOf } from './member.ts';
import { type Look, looking, seen } from './shell.ts';

/** A replica set as it should be. */
export const ReplicaSet = z.object({
  replicaSet: z.string(),
  port: z.number(),
  /** Members, `node0.farweave.local:27017`. The set itself numbers them, and they keep their numbers. */
  members: z.array(z.object({ name: z.string() })),
  /** Members of hosts that leave. */
  leaving: z.array(z.object({ name: z.string() })).exactOptional(),
  electionTimeoutMillis: z.number(),
});
export type ReplicaSet = z.infer<typeof ReplicaSet>;

export const Port = ReplicaSet.pick({ port: true });

/** Of a replica set, by MongoDB itself. */
export const MOST_VOTERS = 7;

/** The fact that says which member takes writes: PRIMARY or SECONDARY. */
export const ROLE = 'mongodb.role';

/** The fact that says which replica set a host's member belongs to. */
export const SET = 'mongodb.set';

/** In the order in which data goes from one to the next. None can be left out, and none goes back. */
const RELEASES = ['4.4', '5.0', '6.0', '7.0', '8.0'];

/** Whether this release can read the data that is there. If not, mongod would end as soon as it starts. */
export const readable = operation('mongodb.readable', Port.extend({ version: z.string() }), {
  kind: 'preflight',
  publishes: [],
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output, _, { version }) => {
    const look = seen(output);
    const features = typeof look === 'string' ? undefined : look.features;
    const wanted = RELEASES.indexOf(version.split('.').slice(0, 2).join('.'));
    const found = RELEASES.indexOf(features ?? '');
    // Nothing to read, or nobody to say: a member that cannot start is held back by the gate before the next one stops.
    if (found < 0 || wanted < 0 || wanted === found || wanted === found + 1) return yes();
    if (wanted < found) return no(`data of MongoDB ${features}`, `MongoDB ${features} or later, not ${version}`);
    const next = RELEASES[found + 1];
    return no(
      `data of MongoDB ${features}`,
      `MongoDB ${next} before ${version}: roll it out, then run db.adminCommand({ setFeatureCompatibilityVersion: '${next}' })`,
    );
  },
});

/** What must hold before the next member may stop: this one serves, or was never in a set. */
export const ready = operation('mongodb.ready', Port, {
  kind: 'check',
  publishes: [],
  timeout: 600_000,
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output) =>
    judging(output, ({ state }) =>
      ['uninitialized', 'PRIMARY', 'SECONDARY'].includes(state) ? yes() : no(state, 'a member that answers'),
    ),
});

/** What must hold before a member's host may be disturbed: the set, as this member sees it, misses none that votes. */
export const spares = operation('mongodb.spares', Port, {
  kind: 'check',
  publishes: [],
  timeout: 600_000,
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output) =>
    judging(output, ({ state, voters, ailing }) => {
      if (!['uninitialized', 'PRIMARY', 'SECONDARY'].includes(state)) return no(state, 'a member that answers');
      const missed = ailing.filter((name) => voters.includes(name));
      return missed.length === 0 ? yes() : no(`without ${short(missed)}`, 'all members that vote');
    }),
});

export const healthy = operation('mongodb.healthy', ReplicaSet, {
  kind: 'check',
  publishes: [ROLE],
  timeout: 600_000,
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output, _, { members: wanted }) =>
    judging(output, ({ state, hosts, primary }) => {
      const missing = wanted.filter(({ name }) => !hosts.includes(name));
      if (state !== 'PRIMARY' && state !== 'SECONDARY') return no(state, 'PRIMARY or SECONDARY');
      if (missing.length > 0) return no(`without ${names(missing)}`, names(wanted));
      return primary === undefined ? no('without a primary', 'one PRIMARY') : yes({ [ROLE]: state });
    }),
});

/** A verdict on what a member said of itself; nothing of use is `unknown`. */
export function judging(output: Output, judge: (look: Look) => Verdict): Verdict {
  const look = seen(output);
  return typeof look === 'string' ? unknown(look) : judge(look);
}

/** Without domain and port. */
export const names = (list: ReplicaSet['members']) => short(list.map(({ name }) => name));
const short = (members: readonly string[]) => members.map((name) => name.split('.')[0]).join(', ');
