import type { RolloutState } from './contract.ts';
import type { Control, Controls } from './controls.ts';

/** How a rollout stands, as far as it decides what may be asked of it. */
export interface Situation {
  readonly state: RolloutState;
  /** Its end has been decided on. */
  readonly ending?: boolean;
  /** By hand; who did it, where that is known. */
  readonly paused?: { readonly by?: string };
  /** Stopped on a failure, and what ran has finished. */
  readonly stuck: boolean;
  /** Waits for somebody to agree. */
  readonly asks: boolean;
  readonly hosts: readonly string[];
  /** Hosts that do not take part: parked, or left out by somebody. */
  readonly out: ReadonlySet<string>;
  readonly skipped: ReadonlySet<string>;
  /** Host → what failed there, by stage id and by operation. */
  readonly failed: ReadonlyMap<string, readonly string[]>;
  /** Hosts on which this rollout may have changed something. */
  readonly touched: ReadonlySet<string>;
  /** Hosts of the wave that is under way, where there are several. */
  readonly wave: readonly string[];
}

/**
 * Why something that is asked for makes no sense now; undefined where it does. Pure.
 * What comes by signal is whatever somebody has typed: its shape is checked too.
 */
export function objection(control: Control, request: unknown, at: Situation): string | undefined {
  if (request !== undefined && (typeof request !== 'object' || request === null || Array.isArray(request)))
    return `${control} takes one object, such as ${EXAMPLES[control]}`;
  if (at.state === 'undoing') return 'what it changed is being taken back, and that is brought to its end';
  if (ENDED.has(at.state)) return `it has ended already: ${at.state}`;
  if (at.ending) return 'it is about to end';
  return REASONS[control]((request ?? {}) as never, at);
}

/** For the Web UI's forms. */
export const EXAMPLES: Readonly<Record<Control, string>> = {
  pause: '{"by": "you", "reason": "lunch"}',
  resume: '{"by": "you"}',
  approve: '{"by": "you"}',
  retry: '{"by": "you", "host": "vm1"}',
  skip: '{"by": "you", "host": "vm1", "reason": "its disk is being replaced"}',
  batch: '{"by": "you", "size": 5}',
  cancel: '{"by": "you", "undo": true}',
  rollback: '{"by": "you", "reason": "…"}',
};

const ENDED: ReadonlySet<RolloutState> = new Set(['done', 'failed', 'undone', 'cancelled']);

const REASONS: { readonly [Name in Control]: (request: Controls[Name], at: Situation) => string | undefined } = {
  pause: (_, { paused, stuck }) => {
    if (stuck) return 'it has stopped on a failure, and nothing new begins anyway';
    return paused && `it is paused already${paused.by === undefined ? '' : `, by ${paused.by}`}`;
  },
  resume: (_, { paused, stuck, asks }) => {
    if (paused || stuck) return undefined;
    return asks ? 'it is not paused, it waits for an approval: approve it' : 'it is not paused';
  },
  approve: (_, { asks }) => (asks ? undefined : 'it waits for no approval'),
  retry: ({ host, step }, at) => {
    const unknown = unknownHost(host, at);
    if (unknown !== undefined) return unknown;
    const failed = at.failed.get(host);
    if (!failed && !at.out.has(host)) return `nothing has failed on ${host}, and it is not left out`;
    if (step === undefined || failed?.includes(step)) return undefined;
    const what = (failed ?? []).filter((name) => /^\d/.test(name));
    return `${String(step)} has not failed on ${host}${what.length > 0 ? `; ${what.join(', ')} has` : ''}`;
  },
  skip: ({ host }, at) => {
    const unknown = unknownHost(host, at);
    if (unknown !== undefined) return unknown;
    if (at.skipped.has(host)) return `${host} is left out already`;
    const others = at.hosts.filter((name) => name !== host && !at.out.has(name));
    return others.length === 0 ? `no host would be left without ${host}: cancel the rollout instead` : undefined;
  },
  batch: ({ size }) =>
    Number.isInteger(size) && size >= 1
      ? undefined
      : `a batch of ${String(size)} hosts makes no sense: it takes a whole number, 1 at least`,
  cancel: ({ undo }) =>
    undo === undefined || typeof undo === 'boolean' ? undefined : 'undo is true or false: whether to take back',
  rollback: ({ hosts, wave, by: _by, reason: _reason, ...others }, at) => {
    const [unknownKey] = Object.keys(others);
    // Taken for nothing said, a slip of the pen would take back everything.
    if (unknownKey !== undefined) return `rollback knows no ${unknownKey}: hosts is a list of names, wave is true`;
    if (wave !== undefined && typeof wave !== 'boolean') return 'wave is true or false';
    if (wave === true && at.wave.length === 0) return 'no wave is under way: roll back hosts by their names, or all';
    if (hosts === undefined) return undefined;
    if (!Array.isArray(hosts) || hosts.length === 0) return 'hosts is a list of names';
    const unknown = hosts.map((host) => unknownHost(host, at)).find((why) => why !== undefined);
    if (unknown !== undefined) return unknown;
    const untouched = hosts.filter((host) => !at.touched.has(host));
    return untouched.length > 0 ? `this rollout has changed nothing on ${untouched.join(', ')}` : undefined;
  },
};

function unknownHost(host: unknown, { hosts }: Situation): string | undefined {
  if (typeof host === 'string' && hosts.includes(host)) return undefined;
  const some = hosts.length <= 10 ? hosts.join(', ') : `${hosts.slice(0, 8).join(', ')} and ${hosts.length - 8} more`;
  return host === undefined ? `it wants a host: ${some}` : `there is no host ${JSON.stringify(host)}: ${some}`;
}
