import type { Command } from 'commander';
import type { ClusterState } from '../../workflows/contract.ts';
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
function document(name: string, state: ClusterState, farweave: Farweave) {
  const ui = farweave.ui && clusterLink(farweave.ui, farweave.namespace, name);
  return { cluster: name, ...state, sealed: Object.keys(state.sealed), ...(ui && { ui }) };
}

function lines(name: string, state: ClusterState, farweave: Farweave, { io, self }: At): readonly string[] {
  const style = styling(io);
  const hosts = Object.keys(state.knowledge.indexes);
  const { ui, namespace } = farweave;
  const rows = [
    ['Cluster', `${style('bold', name)}, revision ${state.revision}`],
    ['Hosts', `${hosts.length}${hosts.length > 0 ? `: ${listed(hosts)}` : ''}`],
    ...movedRows(state),
    ...rolloutRows(state, farweave),
    ...(ui ? [['Web UI', clusterLink(ui, namespace, name)]] : []),
  ];
  return [
    ...table(rows),
    ...(state.rollout ? [] : problemLines(state.last?.problems ?? [], io)),
    ...eventLines(state, io),
    ...(state.rollout ? ['', `Next    ${self} watch · ${self} pause`] : []),
  ];
}

function movedRows({ moved }: ClusterState): string[][] {
  return moved ? [['Moved', `on ${moved.at.slice(0, 10)} by ${moved.by}: it is rolled out from elsewhere now`]] : [];
}

function rolloutRows({ rollout, last }: ClusterState, { ui, namespace }: Farweave): string[][] {
  const running = rollout && [
    ['Rollout', `revision ${rollout.revision} runs (${rollout.purpose}, plan ${rollout.digest.slice(0, 16)})`],
    ...(ui ? [['', workflowLink(ui, namespace, rollout.workflowId, rollout.runId)]] : []),
  ];
  const ended = last && [
    ['Last', `revision ${last.revision} ${last.state}: ${last.changed} changed (plan ${last.digest.slice(0, 16)})`],
    ...(last.parked.length > 0 ? [['Parked', `${count(last.parked.length, 'host')}: ${listed(last.parked)}`]] : []),
    ...(last.left.length > 0 ? [['Left', `not taken back: ${last.left.join(', ')}`]] : []),
  ];
  return [...(running ?? []), ...(ended ?? [])];
}

function eventLines({ events }: ClusterState, io: Io): readonly string[] {
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
