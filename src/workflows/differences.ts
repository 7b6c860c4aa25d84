import type { Finding } from '../activities/contract.ts';
import type { Facts, Stage } from '../plan/plan.ts';
import { SKIPPED } from './attendance.ts';
import type { Difference, Drift, ParkedHost, Problem } from './contract.ts';
import { isQuestion } from './parked.ts';

/** Something that was found on a host, before it is known what holds on the others. */
export interface Found {
  readonly host: string;
  /** Missing for what is about the host as a whole. */
  readonly stage?: Pick<Stage, 'id' | 'operation' | 'kind' | 'irreversible'> & { readonly one: boolean };
  readonly is: 'no' | 'unknown' | 'unanswered';
  readonly now: string;
  readonly wanted: string;
  /** What helps, where the failure says it. */
  readonly hint?: string;
}

/** Of what a host has said, what is not as it should be. `settled` takes the stages for one host that this one has. */
export function foundOn(
  host: string,
  stages: readonly Stage[],
  findings: readonly Finding[],
  { facts, needed, settled }: { readonly facts: Facts; readonly needed: ReadonlySet<string>; settled: Set<string> },
): readonly Found[] {
  return stages.flatMap((stage, n): Found | readonly Found[] => {
    const { id, operation, kind, irreversible } = stage;
    const one = stage.scope !== 'host' && stage.on === 'one';
    const { is, now = '', wanted = '', why = 'no reason was given', fades, facts: told = {} } = findings[n]!;
    const found = {
      host,
      stage: { id, operation, kind, one, ...(irreversible !== undefined && { irreversible }) },
    };
    if (is === 'yes' && one) settled.add(id);
    // What others were set up with, such as a key that somebody has made anew: they would all say that theirs is right.
    const other = Object.keys(told).find(
      (fact) => needed.has(fact) && facts[fact]?.[host] !== undefined && facts[fact][host] !== told[fact],
    );
    if (is === 'yes' && other !== undefined)
      return { ...found, is: 'no', now: `another ${other}`, wanted: 'the one that the others know' };
    if (is === 'yes' || fades) return [];
    if (is === 'unknown') return { ...found, is, now: clip(why), wanted: clip(wanted) };
    return { ...found, is, now: clip(now), wanted: clip(wanted) };
  });
}

/** A host that could not be asked. */
export function unanswered({ host, type, message, hint }: Problem): Found {
  const told = clip(message);
  return {
    host,
    is: 'unanswered',
    now: `${type}: ${told}`,
    wanted: 'an answer',
    ...(hint !== undefined && { hint: clip(hint) }),
  };
}

/** Who has to act on what was found, with what is known of all hosts. In the order of `hosts`. */
export function weighed(
  hosts: readonly string[],
  all: readonly Found[],
  settled: ReadonlySet<string>,
  parked: Readonly<Record<string, ParkedHost>> = {},
): readonly Difference[] {
  const told = new Set<string>();
  // What one host does for all is done where any has done it, and is one thing where none has.
  const found = all.filter(({ stage, is }) => {
    if (!stage?.one) return true;
    if (settled.has(stage.id) || (is === 'no' && told.has(stage.id))) return false;
    told.add(stage.id);
    return true;
  });
  const changed = found.filter(({ stage, is }) => is === 'no' && stage?.kind === 'change');
  const isWhole = changed.length === 0 && found.every(({ stage }) => stage) && Object.keys(parked).length === 0;
  const whole = { changed: new Set(changed.map(({ host }) => host)), isWhole };
  const differences = [...Object.entries(parked).map(leftOut), ...found.map((each) => weigh(each, whole))];
  const place = new Map(hosts.map((host, n) => [host, n]));
  return differences.toSorted((a, b) => (place.get(a.host) ?? -1) - (place.get(b.host) ?? -1));
}

function weigh(
  { host, stage, is, now, wanted, hint }: Found,
  { changed, isWhole }: { readonly changed: ReadonlySet<string>; readonly isWhole: boolean },
): Difference {
  const what = { host, ...(stage && { operation: stage.operation }), now, wanted };
  const person = (todo: string): Difference => ({ ...what, act: 'person', todo, repairable: false });
  const nobody = (todo: string): Difference => ({ ...what, act: 'nobody', todo, repairable: false });
  if (!stage) return person(hint ?? 'see what is wrong with it');
  if (is === 'unknown')
    return changed.has(host) ? nobody('known once the rest is repaired') : person('see why it cannot be told');
  if (stage.kind === 'preflight') return person('put it right: no rollout begins before');
  if (stage.kind === 'check') return isWhole ? person('see what is wrong there') : nobody('follows from what differs');
  const final = stage.irreversible === undefined ? '' : `, which cannot be taken back: ${stage.irreversible}`;
  return { ...what, act: 'operator', todo: `farweave drift --repair${final}`, repairable: true };
}

/** Hosts that the last apply has left out are not asked. */
function leftOut([host, parked]: readonly [string, ParkedHost]): Difference {
  const { type, message } = parked;
  const what = { host, now: `parked: ${type}, ${clip(message)}`, wanted: 'to take part', repairable: false };
  if (isQuestion(parked))
    return { ...what, act: 'person', todo: `farweave hostkeys accept ${host}, if that is its key` };
  if (type === SKIPPED)
    return { ...what, act: 'nobody', todo: `left out by somebody; farweave revisit ${host} takes it along` };
  if (type === 'Unreachable' || parked.acceptedKey !== undefined)
    return { ...what, act: 'nobody', todo: 'brought along as soon as it answers' };
  return { ...what, act: 'person', todo: `put it right, then farweave revisit ${host}` };
}

/** Hosts that a cluster remembers, and lines of each. */
const HOSTS = 20;
const LINES = 4;

/** As much as a cluster remembers. */
export function summaryOf(differences: readonly Difference[], revision: number, at: string): Drift {
  const due = differences.filter(({ act }) => act !== 'nobody');
  const hosts = [...Map.groupBy(due, ({ host }) => host)];
  const line = ({ operation, now }: Difference) => (operation === undefined ? now : `${operation}: ${now}`);
  const lines = (own: readonly Difference[]) => [
    ...own.slice(0, LINES).map((each) => line(each).slice(0, 120)),
    ...(own.length > LINES ? [`and ${own.length - LINES} more`] : []),
  ];
  return {
    at,
    revision,
    clean: due.length === 0,
    differences: due.length,
    repairable: due.filter(({ repairable }) => repairable).length,
    hosts: Object.fromEntries(hosts.slice(0, HOSTS).map(([host, own]) => [host, lines(own)])),
    ...(hosts.length > HOSTS && { more: hosts.length - HOSTS }),
  };
}

/** What there is to be told when one look has found something else than the one before: nothing, mostly. */
export function news(before: Drift | undefined, now: Drift): string | undefined {
  if (now.clean) return before && !before.clean ? `no drift any more: as revision ${now.revision} made it` : undefined;
  // What a host answers may be worded differently each time: a process has a number.
  if (before && same(before) === same(now)) return undefined;
  const some = Object.entries(now.hosts).map(([host, lines]) => `${host} ${lines.map(subject).join(', ')}`);
  return `drift${before && !before.clean ? ' has changed' : ''}: ${some.join('; ')}${now.more ? `; and ${now.more} more hosts` : ''}`;
}

const same = ({ hosts, differences }: Drift) =>
  JSON.stringify([differences, Object.entries(hosts).map(([host, lines]) => [host, lines.map(subject)])]);

/** Operation, or class of the failure. */
const subject = (line: string) => line.split(':', 1)[0]!;

/** Of what a host says, in characters. */
const SAID = 160;
const clip = (text: string) => (text.length <= SAID ? text : `${text.slice(0, SAID - 1)}…`);
