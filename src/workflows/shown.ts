import { type ClusterState, isOver, told } from './contract.ts';
import { detail, linkTo, upsert } from './report.ts';

/** A cluster as the lists and the page of the Web UI have it. */
export function show(name: string, cluster: ClusterState): void {
  const { rollout, last, revision, events, queued, requests = [], destroyed, drift } = cluster;
  const rests = destroyed ? 'destroyed' : drift?.clean === false ? 'drifted' : (last?.state ?? 'idle');
  const state = rollout ? (rollout.state ?? 'surveying') : rests;
  upsert({ cluster: name, revision, state, parked: last?.parked.length ?? 0 });
  const link = rollout && `Now: ${linkTo(rollout.workflowId)}`;
  const waits = queued && `Waiting: apply of plan ${shown(queued.digest)} by ${queued.by}`;
  const asked = requests
    .filter((request) => !isOver(request))
    .map((request) => `Hosts: ${request.id}, ${told(request.change)}, ${request.state} (${request.by})`);
  const differs = Object.entries(drift?.hosts ?? {}).map(([host, own]) => `Drift: **${host}** ${own.join(', ')}`);
  const latest = events
    .slice(-20)
    .toReversed()
    .map(({ at, what, by }) => `- ${at} ${what}${by === undefined ? '' : ` (${by})`}`);
  const lines = [link, waits, ...asked, ...differs].filter((line) => line !== undefined);
  detail(`${name}: ${state}`, [...lines, ...(lines.length > 0 ? [''] : []), ...latest], []);
}

/** As much of a digest as one tells plans apart by. */
export const shown = (digest: string) => digest.slice(0, 12);
