import type { Cluster } from '../spec/cluster.ts';
import { readKept } from '../spec/kept.ts';
import { suggestion } from '../spec/problem.ts';
import type { ClusterView } from '../workflows/contract.ts';
import { EXIT, Failure } from './errors.ts';
import type { Draft } from './index.ts';
import { noneLeaves, partOf } from './part.ts';

/**
 * The plan by which hosts get another key to be known by: made beside the one they have, put in its place, and seen from
 * outside. What the cluster is kept as stays what it is. Without names it is for all that are not parked. Throws a `Failure`
 * where one of them is unknown, parked, or held by the cluster file to the key that it has. `now` tells rotations apart.
 */
export function hostKeyRotation(state: ClusterView, names: readonly string[], now = new Date()): Draft {
  const cluster = state.wanted && readKept(state.wanted);
  if (!cluster) throw new Failure('Nothing is known of what this cluster is to be.', { hint: 'Apply first.' });
  noneLeaves(state);
  const hostKeys = chosen(cluster, state, names);
  const mark = `farweave:${cluster.name}:${now.toISOString()}`;
  return partOf(state, cluster, { hostKeys, mark });
}

/** The hosts of a rotation. */
export const rotated = ({ plan }: Draft): readonly string[] => plan.stages[0]?.hosts ?? [];

function chosen({ hosts }: Cluster, { parked = {} }: ClusterView, names: readonly string[]): readonly string[] {
  const all = hosts.map(({ name }) => name);
  for (const name of names) {
    if (!all.includes(name))
      throw bad(`There is no host ${name}${suggestion(name, all)}`, 'See them: farweave host list');
    if (parked[name])
      throw bad(`${name} is parked, so it keeps its key.`, 'Bring it back first, with farweave apply, or name others.');
  }
  const meant = names.length > 0 ? [...new Set(names)] : all.filter((name) => parked[name] === undefined);
  if (meant.length === 0) throw bad('All hosts are parked, so they keep their keys.', 'See why: farweave status');
  const pinned = hosts.filter(({ name, hostKey }) => meant.includes(name) && hostKey !== undefined);
  if (pinned.length > 0)
    throw bad(
      `The cluster file holds ${pinned.map(({ name }) => name).join(', ')} to the key that is to go.`,
      'Take hostKey (or knownHosts) out of the cluster file and apply; then they are held to the key that they have shown, and rotate moves that. Or name other hosts.',
    );
  return meant;
}

const bad = (message: string, hint: string) => new Failure(message, { hint, exitCode: EXIT.badInput });
