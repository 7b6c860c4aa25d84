import { ACCESS_KEY } from '../plan/access-key.ts';
import { HOST_KEY, HOST_KEY_OTHER } from '../plan/plan.ts';
import { SKIPPED } from './attendance.ts';
import type { ClusterState, Outcome, ParkedHost, Problem, RunningRollout } from './contract.ts';

/** Nobody but the host itself, or who repairs it, can help it: as soon as it answers again it is brought along. */
const COMES_BACK = 'Unreachable';

/** Minutes before a host that answered, and was left out again, is followed up once more: 1, 2, 4 … 60. */
const LONGEST = 60;
/** Of a message, in characters. */
const SHOWN = 300;

/** Whom a rollout has left out, and since when: who was left out before for the same reason is so ever since. */
export function parkedBy(
  { revision, revisits = [], part }: Pick<RunningRollout, 'revision' | 'revisits' | 'part'>,
  { parked, problems }: Pick<Outcome, 'parked' | 'problems'>,
  before: ClusterState['parked'] = {},
  now = new Date(),
): Readonly<Record<string, ParkedHost>> {
  const entry = (host: string): ParkedHost => {
    const had = before[host];
    const why = reasonOf(host, problems, had);
    const again = revisits.includes(host) && why.type === COMES_BACK ? (had?.again ?? 0) + 1 : undefined;
    // Accepted while the rollout was under way, which did not know of it yet.
    const isAccepted = had?.acceptedKey !== undefined && had.acceptedKey === why.shownKey;
    return {
      ...why,
      since: had?.type === why.type ? had.since : now.toISOString(),
      revision,
      ...(isAccepted && { acceptedKey: had.acceptedKey }),
      ...(again !== undefined && { again, notBefore: new Date(now.getTime() + restAfter(again)).toISOString() }),
    };
  };
  return { ...(part && before), ...Object.fromEntries(parked.map((host) => [host, entry(host)])) };
}

/** Milliseconds of rest after so many follow-ups in vain. */
export function restAfter(again: number): number {
  return Math.min(LONGEST, 2 ** (again - 1)) * 60_000;
}

/** Hosts that are followed up as soon as they answer, and when the next of the others may be: then one asks for more. */
export function awaited(
  { last, parked = {}, plans = {} }: ClusterState,
  now: number,
): { readonly due: readonly string[]; readonly next: number | undefined } {
  // What failed, was undone or cancelled is for people to mend; a state of an older release knows no plan.
  if (last?.state !== 'done' || plans[last.digest] === undefined) return { due: [], next: undefined };
  const from = ({ notBefore }: ParkedHost) => (notBefore === undefined ? 0 : Date.parse(notBefore));
  const hosts = Object.entries(parked).filter(([, host]) => host.type === COMES_BACK || host.acceptedKey !== undefined);
  const later = hosts.map(([, host]) => from(host)).filter((time) => time > now);
  return {
    due: hosts.filter(([, host]) => from(host) <= now).map(([name]) => name),
    next: later.length === 0 ? undefined : Math.min(...later),
  };
}

/** Whom a follow-up leaves out, since a person did and has not named them since. */
export function skipped({ parked = {} }: Pick<ClusterState, 'parked'>, named: readonly string[] = []): string[] {
  return Object.keys(parked).filter((host) => parked[host]?.type === SKIPPED && !named.includes(host));
}

/** The question whether a host's new key is to be taken, while it is open. */
export function isQuestion({ type, shownKey, acceptedKey }: ParkedHost): boolean {
  return (type === 'HostKeyChanged' || shownKey !== undefined) && acceptedKey === undefined;
}

/** A parked host is known by another key, and answers to it when it is followed up. */
export function withKey(
  { facts, parked = {} }: Pick<ClusterState, 'facts' | 'parked'>,
  host: string,
  fingerprint: string,
): Pick<ClusterState, 'facts' | 'parked'> {
  return {
    facts: {
      ...facts,
      [HOST_KEY]: { ...facts[HOST_KEY], [host]: fingerprint },
      ...(facts[HOST_KEY_OTHER] && { [HOST_KEY_OTHER]: { ...facts[HOST_KEY_OTHER], [host]: '' } }),
      // Whoever shows another key is another machine, or this one made anew: neither has the cluster's key.
      ...(facts[ACCESS_KEY] && { [ACCESS_KEY]: { ...facts[ACCESS_KEY], [host]: '' } }),
    },
    parked: { ...parked, [host]: { ...parked[host]!, acceptedKey: fingerprint } },
  };
}

function reasonOf(host: string, problems: readonly Problem[], had: ParkedHost | undefined) {
  const own = problems.filter((each) => each.host === host);
  // Whoever has left it out has the last word, whatever came of what still ran there.
  const problem = own.find(({ type }) => type === SKIPPED) ?? own.at(-1);
  if (!problem) return { type: had?.type ?? 'Unexpected', message: had?.message ?? 'left out' };
  const { type, message } = problem;
  // The question stays open for a host that somebody has left out meanwhile.
  const shownKey = own.findLast((each) => each.shownKey !== undefined)?.shownKey;
  return { type, message: message.slice(0, SHOWN), ...(shownKey !== undefined && { shownKey }) };
}
