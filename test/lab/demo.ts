import { join } from 'node:path';
import { inject } from 'vitest';
import { exec, type LabHost } from '../../src/lab/index.ts';
import { farweave, type Ran } from './farweave.ts';

/** The CLI, on the cluster of the demo. */
export function onDemo(...args: readonly string[]): Promise<Ran> {
  return farweave(['--file', join(inject('demo'), 'cluster.yaml'), ...args]);
}

/**
 * Runs JavaScript in the shell of a member of the replica set, as in the article: `docker exec node0 mongo`. Members are
 * numbered as the hosts are.
 */
export function inMember(hosts: readonly LabHost[], n: number, code: string): ReturnType<typeof exec> {
  return exec(hosts[n]!.name, ['docker', 'exec', `node${n}`, 'mongosh', '--quiet', '--eval', code]);
}
