import type { Command } from 'commander';
import type { ClusterView } from '../../workflows/contract.ts';
import { type At, type Run, teach, withCluster, writeJson } from '../command.ts';
import type { Farweave } from '../connection.ts';
import { driftRows } from '../drift-report.ts';
import { EXIT, Failure } from '../errors.ts';
import { type Followed, follow } from '../follow.ts';
import { clock, count, printable, table } from '../format.ts';
import { type Io, styling } from '../io.ts';
import { clusterLink, workflowLink } from '../links.ts';
import { eventLines, problemLines } from '../report.ts';
import { holder } from '../turn.ts';
import { isStuck, leftOut, tally, type View } from '../view.ts';
import { waitLines } from '../waits.ts';
import { requestRows } from './host/rows.ts';

/** Milliseconds for a look at the rollout that runs: what the cluster remembers is worth showing without it. */
const LOOK_LIMIT = 10_000;
/** Parked hosts that are told of one by one. */
const PARKED = 20;

export function addStatus(program: Command, run: Run): void {
  const command = program
    .command('status')
    .summary('show what is known of the cluster')
    .description(
      'Shows what the server remembers: revision, the rollout that runs or how the last one ended, hosts, hosts that are ' +
        'parked, what a rollout waits for, and what happened last. Asks no host.',
    )
    .action(run(status));
  teach(command, [
    ['farweave status', ''],
    ['farweave status --json | jq .last.state', 'for scripts'],
  ]);
}

async function status(at: At): Promise<number> {
  return await withCluster(at, async (farweave, name, state) => {
    const view = state.rollout && (await seen(farweave, { cluster: name, ...state.rollout }));
    if (at.global.json) writeJson(at, document(name, state, view, farweave));
    else at.io.out.write(`${lines(name, state, view, farweave, at).join('\n')}\n`);
    return EXIT.ok;
  });
}

/** How the rollout stands; undefined where it does not answer in time, or has ended meanwhile. */
async function seen({ client }: Farweave, rollout: Followed): Promise<View | undefined> {
  try {
    for await (const view of follow(client, rollout, { signal: AbortSignal.timeout(LOOK_LIMIT) })) return view;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
  return undefined;
}

/** Everything, but of secrets only their names. */
function document(name: string, state: ClusterView, view: View | undefined, farweave: Farweave) {
  const ui = farweave.ui && clusterLink(farweave.ui, farweave.namespace, name);
  return {
    cluster: name,
    ...state,
    sealed: Object.keys(state.sealed),
    ...(view && { progress: progressOf(view) }),
    ...(ui && { ui }),
  };
}

function progressOf(view: View) {
  const { steps: _, children: __, waits: ___, ...progress } = view.progress;
  const { settled, total } = tally(view);
  return { ...progress, settled, total, leftOut: leftOut(progress), waits: view.waits ?? [] };
}

function lines(
  name: string,
  state: ClusterView,
  view: View | undefined,
  farweave: Farweave,
  { io, self }: At,
): readonly string[] {
  const style = styling(io);
  const hosts = state.wanted?.hosts ?? Object.keys(state.knowledge.indexes);
  const { ui, namespace } = farweave;
  const rows = [
    ['Cluster', `${style('bold', name)}, revision ${state.revision}`],
    ['Hosts', `${hosts.length}${hosts.length > 0 ? `: ${listed(hosts)}` : ''}`],
    ...movedRows(state),
    ...destroyedRows(state),
    ...rolloutRows(state, farweave),
    ...(view ? progressRows(view, self) : []),
    ...queueRows(state),
    ...requestRows(state, self),
    ...parkedRows(state, io),
    ...lastRows(state),
    ...driftRows(state, io),
    ...(ui ? [['Web UI', clusterLink(ui, namespace, name)]] : []),
  ];
  return [
    ...table(rows),
    ...problemLines((state.rollout ? view?.progress : state.last)?.problems ?? [], io),
    ...(state.events.length > 0 ? ['', 'Events'] : []),
    ...eventLines(state.events.slice(-10), io).map((line) => `  ${line}`),
    ...questionLines(state, { io, self }),
    ...(state.rollout
      ? [
          '',
          `Next    ${next(view)
            .map((command) => `${self} ${command}`)
            .join(' · ')}`,
        ]
      : []),
  ];
}

function movedRows({ moved }: ClusterView): string[][] {
  return moved ? [['Moved', `on ${moved.at.slice(0, 10)} by ${moved.by}: it is rolled out from elsewhere now`]] : [];
}

function destroyedRows({ destroyed }: ClusterView): string[][] {
  if (!destroyed) return [];
  const { at, by, data, left = [] } = destroyed;
  const rest = left.length > 0 ? `, but for ${listed(left)}: destroy again once they answer` : '';
  const kept = data ? 'its data is erased' : 'its data is kept: apply finds it again';
  return [['Destroyed', `on ${at.slice(0, 10)} by ${printable(by)}${rest}; ${kept}`]];
}

function rolloutRows({ rollout }: ClusterView, { ui, namespace }: Farweave): string[][] {
  if (!rollout) return [];
  const since = rollout.since === undefined ? '' : ` since ${clock(Date.parse(rollout.since))}`;
  return [
    ['Rollout', `${holder(rollout)}, plan ${rollout.digest.slice(0, 16)}, runs${since}`],
    ...(ui ? [['', workflowLink(ui, namespace, rollout.workflowId, rollout.runId)]] : []),
  ];
}

function progressRows(view: View, self: string): string[][] {
  const { state, wave, changed, parked } = view.progress;
  const { settled, total } = tally(view);
  const out = leftOut(view.progress);
  const lost = parked.filter((host) => !out.includes(host));
  const at = wave ? `, wave ${wave.number} of ${wave.of}` : '';
  return [
    ['State', `${state}${at}, ${settled} of ${total} steps, ${changed} changed`],
    ...waitLines(view, { now: Date.now(), self }).map((line) => ['Waits', line]),
    ...(lost.length > 0 ? [['Parked', listed(lost)]] : []),
    ...(out.length > 0 ? [['Left out', listed(out)]] : []),
  ];
}

function lastRows({ last }: ClusterView): string[][] {
  if (!last) return [];
  return [
    ['Last', `revision ${last.revision} ${last.state}: ${last.changed} changed (plan ${last.digest.slice(0, 16)})`],
    ...(last.left.length > 0 ? [['Left', `not taken back: ${last.left.join(', ')}`]] : []),
  ];
}

function next(view: View | undefined): readonly string[] {
  if (view && isStuck(view.progress)) return ['watch', 'resume', 'rollback'];
  const held = (view?.waits ?? []).find(({ site }) => site === undefined)?.for;
  return ['watch', held === 'approval' ? 'approve' : held === 'resume' ? 'resume' : 'pause'];
}

function queueRows({ queued }: ClusterView): string[][] {
  if (!queued) return [];
  const { digest, hosts, by, at } = queued;
  return [
    [
      'Queue',
      `apply for ${count(hosts, 'host')} by ${printable(by)}, plan ${digest.slice(0, 16)}, since ${clock(Date.parse(at))}`,
    ],
  ];
}

/** A line a host: since when and why. A state of an older release knows only the names. */
function parkedRows({ parked, last }: ClusterView, io: Io): string[][] {
  const style = styling(io);
  const entries = Object.entries(parked ?? {});
  if (entries.length === 0)
    return last && last.parked.length > 0
      ? [['Parked', `${count(last.parked.length, 'host')}: ${listed(last.parked)}`]]
      : [];
  const more = entries.length > PARKED ? [['', `and ${entries.length - PARKED} more`]] : [];
  const told = entries
    .slice(0, PARKED)
    .map(([host, { type, since, message, again }], n) => [
      n === 0 ? 'Parked' : '',
      `${style('yellow', host)} since ${clock(Date.parse(since))}: ${type}, ${printable(message)}${again ? ` (left out again ${again}×)` : ''}`,
    ]);
  return [...told, ...more];
}

/** What somebody has to decide. */
function questionLines({ parked = {} }: ClusterView, { io, self }: Pick<At, 'io' | 'self'>): readonly string[] {
  const changed = Object.entries(parked).filter(
    ([, { type, acceptedKey }]) => type === 'HostKeyChanged' && !acceptedKey,
  );
  if (changed.length === 0) return [];
  const style = styling(io);
  return [
    '',
    ...changed.map(([host]) =>
      style('yellow', `${host} shows another key than before: ${self} hostkeys accept ${host}`),
    ),
  ];
}

function listed(names: readonly string[]): string {
  return names.length <= 12 ? names.join(', ') : `${names.slice(0, 10).join(', ')}, …`;
}
