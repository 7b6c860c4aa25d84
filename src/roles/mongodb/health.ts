import * as z from 'zod';
import type { Output } from '../../ssh/command.ts';
import { no, operation, unknown, type Verdict, yes } from '../operation.ts';
import { shellOf } from './member.ts';
import { LAG, type Look, looking, seen } from './shell.ts';

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

/** The first release whose data this program deals with. From 5.0 on, major releases follow each other without a gap. */
const FIRST = '4.4';

/** Its place among the major releases, 0 for 4.4, 1 for 5.0; those between two of them have one between theirs. */
export function placeOf(release: string): number | undefined {
  const [major, minor] = release.split('.').map(Number);
  if (major === undefined || minor === undefined || Number.isNaN(major + minor)) return undefined;
  if (major > 4) return major - 4 + minor / 10;
  return release.startsWith(FIRST) ? 0 : undefined;
}

/** Whether this release can read the data that is there: none can be left out, and none goes back. If not, mongod would end as soon as it starts. */
export const readable = operation('mongodb.readable', Port.extend({ version: z.string() }), {
  kind: 'preflight',
  publishes: [],
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output, _, { version }) => {
    const look = seen(output);
    const features = typeof look === 'string' ? undefined : look.features;
    const [found, wanted] = [placeOf(features ?? ''), placeOf(version)];
    // Nothing to read, or nobody to say: a member that cannot start is held back by the gate before the next one stops.
    if (found === undefined || wanted === undefined) return yes();
    if (wanted < found) return no(`data of MongoDB ${features}`, `MongoDB ${features} or later, not ${version}`);
    const next = Math.floor(found) + 1;
    if (wanted <= next) return yes();
    const release = `${next + 4}.0`;
    return no(
      `data of MongoDB ${features}`,
      `MongoDB ${release} before ${version}: roll it out with featureCompatibility: '${release}'`,
    );
  },
});

/**
 * What must hold before the next member may stop: this one serves and has caught up, or was never in a set. Where all
 * members are down, the first to start finds no primary, and the next must start all the same.
 */
export const ready = operation('mongodb.ready', Port, {
  kind: 'check',
  publishes: [],
  timeout: 600_000,
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output) =>
    judging(output, ({ state, primary, voters, ailing, behind = 0 }) => {
      if (!SERVING.includes(state)) return no(state, 'a member that answers');
      const there = voters.filter((name) => !ailing.includes(name));
      if (
        state === 'SECONDARY' &&
        primary === undefined &&
        there.length >= majority(voters.length) &&
        voters.length > 0
      )
        return no('without a primary', 'one, or too few voters for one');
      return behind > LAG ? no(`${Math.round(behind)} s behind the primary`, `no more than ${LAG} s`) : yes();
    }),
});

/** What must hold before a member's host may be disturbed: the set, as this member sees it, misses none that votes, and none is late. */
export const spares = operation('mongodb.spares', Port, {
  kind: 'check',
  publishes: [],
  timeout: 600_000,
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output) =>
    judging(output, ({ state, voters, ailing, lagging }) => {
      if (!SERVING.includes(state)) return no(state, 'a member that answers');
      const [missed, late] = [ailing, lagging].map((names) => names.filter((name) => voters.includes(name)));
      if (missed!.length > 0) return no(`without ${short(missed!)}`, 'all members that vote');
      return late!.length > 0
        ? no(`${short(late!)} more than ${LAG} s behind`, 'all members that vote up to date')
        : yes();
    }),
});

const SERVING = ['uninitialized', 'PRIMARY', 'SECONDARY'];

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

/** How many of so many voters elect a primary. */
export const majority = (voters: number) => Math.floor(voters / 2) + 1;

/** Without domain and port. */
export const names = (list: ReplicaSet['members']) => short(list.map(({ name }) => name));
const short = (members: readonly string[]) => members.map((name) => name.split('.')[0]).join(', ');
