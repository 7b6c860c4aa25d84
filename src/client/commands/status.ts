import type { Command } from 'commander';
import type { ClusterView } from '../../workflows/contract.ts';
import {
  type At,
  mustBeKnown,
  type Run,
  readSpec,
  teach,
  unknownCluster,
  withTemporal,
  writeJson,
} from '../command.ts';
import type { Farweave } from '../connection.ts';
import { EXIT } from '../errors.ts';
import { count, printable, table } from '../format.ts';
import { status as ask } from '../index.ts';
import { type Io, styling } from '../io.ts';
import { clusterLink, workflowLink } from '../links.ts';
import { problemLines } from '../report.ts';
import { holder } from '../turn.ts';

/** Parked hosts that are told of one by one. */
const PARKED = 20;

export function addStatus(program: Command, run: Run): void {
  const command = program
    .command('status')
    .summary('show what is known of the cluster')
    .description(
      'Shows what the server remembers: revision, the rollout that runs or how the last one ended, hosts, hosts that are ' +
        'parked, and what happened last. Asks no host.',
    )
    .action(run(status));
  teach(command, [
    ['farweave status', ''],
    ['farweave status --json | jq .last.state', 'for scripts'],
  ]);
}

async function status(at: At): Promise<number> {
  const { name } = await readSpec(at);
  mustBeKnown(at, name);
  return await withTemporal(at, async (farweave) => {
    const state = await ask(farweave, name);
    if (!state) throw unknownCluster(at, name);
    if (at.global.json) writeJson(at, document(name, state, farweave));
    else at.io.out.write(`${lines(name, state, farweave, at).join('\n')}\n`);
    return EXIT.ok;
  });
}

/** Everything, but of secrets only their names. */
function document(name: string, state: ClusterView, farweave: Farweave) {
  const ui = farweave.ui && clusterLink(farweave.ui, farweave.namespace, name);
  return { cluster: name, ...state, sealed: Object.keys(state.sealed), ...(ui && { ui }) };
}

function lines(name: string, state: ClusterView, farweave: Farweave, { io, self }: At): readonly string[] {
  const style = styling(io);
  const hosts = Object.keys(state.knowledge.indexes);
  const { ui, namespace } = farweave;
  const rows = [
    ['Cluster', `${style('bold', name)}, revision ${state.revision}`],
    ['Hosts', `${hosts.length}${hosts.length > 0 ? `: ${listed(hosts)}` : ''}`],
    ...rolloutRows(state, farweave),
    ...queueRows(state),
    ...parkedRows(state, io),
    ...(ui ? [['Web UI', clusterLink(ui, namespace, name)]] : []),
  ];
  return [
    ...table(rows),
    ...(state.rollout ? [] : problemLines(state.last?.problems ?? [], io)),
    ...eventLines(state, io),
    ...questionLines(state, { io, self }),
    ...(state.rollout ? ['', `Next    ${self} watch · ${self} pause`] : []),
  ];
}

function rolloutRows({ rollout, last }: ClusterView, { ui, namespace }: Farweave): string[][] {
  const since = rollout?.since === undefined ? '' : ` since ${clock(rollout.since)}`;
  const running = rollout && [
    ['Rollout', `${holder(rollout)}, plan ${rollout.digest.slice(0, 16)}, runs${since}`],
    ...(ui ? [['', workflowLink(ui, namespace, rollout.workflowId, rollout.runId)]] : []),
  ];
  const ended = last && [
    ['Last', `revision ${last.revision} ${last.state}: ${last.changed} changed (plan ${last.digest.slice(0, 16)})`],
    ...(last.left.length > 0 ? [['Left', `not taken back: ${last.left.join(', ')}`]] : []),
  ];
  return [...(running ?? []), ...(ended ?? [])];
}

function queueRows({ queued }: ClusterView): string[][] {
  if (!queued) return [];
  const { digest, hosts, by, at } = queued;
  return [
    ['Queue', `apply for ${count(hosts, 'host')} by ${printable(by)}, plan ${digest.slice(0, 16)}, since ${clock(at)}`],
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
      `${style('yellow', host)} since ${clock(since)}: ${type}, ${printable(message)}${again ? ` (left out again ${again}×)` : ''}`,
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

const clock = (iso: string) => `${iso.slice(0, 16).replace('T', ' ')} UTC`;

function eventLines({ events }: ClusterView, io: Io): readonly string[] {
  if (events.length === 0) return [];
  const style = styling(io);
  const rows = events
    .slice(-10)
    .map(({ at, by, what }) => [
      style('dim', at.slice(0, 19).replace('T', ' ')),
      printable(what + (by ? ` (${by})` : '')),
    ]);
  return ['', 'Events', ...table(rows).map((row) => `  ${row}`)];
}

function listed(names: readonly string[]): string {
  return names.length <= 12 ? names.join(', ') : `${names.slice(0, 10).join(', ')}, …`;
}
