import { compilePlan } from '../../../plan/compile.ts';
import { HOST_KEY, roleOf } from '../../../plan/plan.ts';
import type { Cluster } from '../../../spec/cluster.ts';
import { readKept } from '../../../spec/kept.ts';
import { type ClusterView, type HostRequest, hostsIn, told } from '../../../workflows/contract.ts';
import { type At, withCluster, writeJson } from '../../command.ts';
import { EXIT } from '../../errors.ts';
import { clock, printable, table } from '../../format.ts';
import { keptCluster } from './kept.ts';

/** Lists the hosts, and what was asked for. */
export async function listHosts(at: At): Promise<number> {
  return await withCluster(at, async (_farweave, name, state) => {
    const hosts = hostsOf(keptCluster(at, name, state), state);
    const requests = state.requests ?? [];
    if (at.global.json) writeJson(at, { cluster: name, hosts, requests });
    else at.io.out.write(`${[...hostLines(hosts), ...requestLines(requests, at)].join('\n')}\n`);
    return EXIT.ok;
  });
}

interface Row {
  readonly name: string;
  readonly site: string;
  readonly address: string;
  readonly index?: number;
  readonly state: 'in' | 'comes' | 'leaves' | 'parked';
  readonly roles: readonly string[];
  readonly hostKey?: string;
}

function hostsOf(cluster: Cluster, state: ClusterView): readonly Row[] {
  const { knowledge, parked = {}, facts, former, requests = [] } = state;
  const coming = new Set(
    requests
      .filter((request) => request.state === 'running')
      .flatMap(({ change }) => hostsIn(change).map(({ name }) => name)),
  );
  const before = former && readKept(former);
  const staying = new Set(cluster.hosts.map(({ name }) => name));
  const leaving = (before?.hosts ?? []).filter(({ name }) => !staying.has(name));
  const { stages } = compilePlan(cluster, knowledge);
  return [...cluster.hosts, ...leaving].map(({ name, site, address }) => {
    const index = knowledge.indexes[name];
    const hostKey = facts[HOST_KEY]?.[name];
    const how = coming.has(name) ? 'comes' : parked[name] ? 'parked' : 'in';
    return {
      name,
      site,
      address,
      ...(index !== undefined && { index }),
      state: staying.has(name) ? how : 'leaves',
      roles: [...new Set(stages.filter(({ hosts }) => hosts.includes(name)).map(({ operation }) => roleOf(operation)))],
      ...(hostKey !== undefined && { hostKey }),
    };
  });
}

function hostLines(hosts: readonly Row[]): readonly string[] {
  return table(hosts.map(({ name, site, address, state, roles }) => [name, site, address, state, roles.join(' ')]));
}

function requestLines(requests: readonly HostRequest[], { self }: Pick<At, 'self'>): readonly string[] {
  if (requests.length === 0) return [];
  const rows = requests.map(({ id, change, state, by, at, revision, said, shownKey }) => [
    id,
    told(change),
    revision === undefined ? state : `${state}, revision ${revision}`,
    `${printable(by)}, ${clock(Date.parse(at))}`,
    printable(shownKey ? `shows ${shownKey}: ${self} host approve ${id}` : (said ?? '')),
  ]);
  return ['', 'Asked for', ...table(rows).map((row) => `  ${row}`)];
}
