import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { labCluster } from '../../src/client/lab-cluster.ts';
import { down, type Lab, up } from '../../src/lab/index.ts';
import { equip, type Grounds, onCluster, unequip } from './grounds.ts';

/** The matrix's own lab, and a cluster on it. */
const CLUSTER = 'chaos';
const folder = join(import.meta.dirname, '../../.farweave', process.env.FARWEAVE_LAB ?? CLUSTER);
const file = join(folder, 'cluster.yaml');
const progress = (line: string) => console.log(`   ${line}`);

/** The grounds, with the cluster file as it was before any row. */
export type OwnGrounds = Grounds & { readonly base: string };

/** A lab with the cluster rolled out onto it, as it should be: what an interrupted row has left is put right. */
export async function bringUp(): Promise<OwnGrounds> {
  const grounds = await prepared();
  // With the keys that the hosts show by now: a row that was interrupted may have left the cluster with another one.
  await writeFile(file, pinned(grounds.lab));
  const { exitCode, output } = await onCluster(grounds, 'apply', '--yes');
  if (exitCode !== 0) throw new Error(`The cluster cannot be rolled out before the rows:\n${output}`);
  await writeFile(file, grounds.base);
  return grounds;
}

/** Hosts that have nothing, and a server that knows of no cluster. */
export async function rebuilt(): Promise<OwnGrounds> {
  await takeDown();
  return await prepared();
}

export async function takeDown(): Promise<void> {
  await onCluster({ file }, 'dev', 'down');
  await down({ progress });
  await rm(folder, { recursive: true, force: true });
}

async function prepared(): Promise<OwnGrounds> {
  const lab = await up({ progress });
  await mkdir(join(folder, '.farweave'), { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'password'), 'vagrant\n', { mode: 0o600 });
  await writeFile(join(folder, 'admin-password'), 'password\n', { mode: 0o600 });
  const base = clusterOf(lab);
  await writeFile(file, base);
  const hosts = lab.hosts.map(({ name }) => name);
  await unequip({ hosts }); // of a row that was interrupted
  const grounds = await equip(lab, hosts, file, CLUSTER);
  const { exitCode, output } = await onCluster(grounds, 'dev', 'up');
  if (exitCode !== 0) throw new Error(output);
  return { ...grounds, base };
}

function pinned(lab: Lab): string {
  const secrets = { password: '{ file: password }', adminPassword: '{ file: admin-password }' };
  return labCluster(lab, { name: CLUSTER, secrets });
}

/** Host keys are taken on first use, or a row could not change one and have the new one accepted. */
const clusterOf = (lab: Lab) => pinned(lab).replace(/^ +hostKey: .*\n/gm, '');
