import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { look } from '../../src/client/dev/embedded.ts';
import { labCluster } from '../../src/client/lab-cluster.ts';
import { down, exec, type Lab, type LabHost, up } from '../../src/lab/index.ts';
import type { ClusterState } from '../../src/workflows/contract.ts';
import { clients } from '../chaos/pace.ts';
import { farweave, type Ran } from '../lab/farweave.ts';

/** The cluster that lives here. */
const CLUSTER = 'living';
const folder = join(import.meta.dirname, '../../.farweave', process.env.FARWEAVE_LAB ?? CLUSTER);
export const file = join(folder, 'cluster.yaml');
const progress = (line: string) => console.log(`   ${line}`);

/** Six hosts in three data centers; the first of each is in the cluster from the beginning. */
export interface Stage {
  readonly lab: Lab;
  readonly first: readonly LabHost[];
  readonly spare: readonly LabHost[];
  readonly client: () => Promise<Client>;
}

export async function prepared(): Promise<Stage> {
  if (!process.env.KEEP) await takeDown();
  const lab = await up({ progress, sites: ['ams', 'fra', 'nyc'], hostsPerSite: 2 });
  const first = lab.sites.map((site) => lab.hosts.find((host) => host.site === site)!);
  const spare = lab.hosts.filter((host) => !first.includes(host));
  await mkdir(join(folder, '.farweave'), { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'password'), 'vagrant\n', { mode: 0o600 });
  await writeFile(join(folder, 'admin-password'), 'password\n', { mode: 0o600 });
  const secrets = { password: '{ file: password }', adminPassword: '{ file: admin-password }' };
  const text = labCluster({ ...lab, hosts: first }, { name: CLUSTER, secrets });
  // Every host is a member.
  await writeFile(file, text.replace(/^ {4}hosts: \[vm.*\]\n/m, ''));
  return { lab, first, spare, client: clients(() => look(join(folder, '.farweave')).server?.address) };
}

export async function takeDown(): Promise<void> {
  await farweave(['--file', file, 'dev', 'down']);
  await down({ progress });
  await rm(folder, { recursive: true, force: true });
}

/** The CLI, on the cluster. */
export const onCluster = (...args: readonly string[]): Promise<Ran> =>
  farweave(['--file', file, ...args], { show: true });

/** What the cluster remembers. */
export async function status(): Promise<ClusterState> {
  const { stdout } = await farweave(['--file', file, 'status', '--json']);
  return JSON.parse(stdout) as ClusterState;
}

/** Runs a script on a host as root, past SSH; throws where it does not end with 0. */
export async function sh(host: string, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await exec(host, ['sh', '-c', script]);
  if (exitCode !== 0) throw new Error(`${host}: exit code ${exitCode}: ${script}\n${stderr}`);
  return stdout;
}

/** Activities by type that a revision took, and the largest of its histories in events. */
export async function costOf(client: Client, revision: number) {
  const root = `rollout:${CLUSTER}:${revision}`;
  const types: Record<string, number> = {};
  let largest = 0;
  for await (const { workflowId, runId } of client.workflow.list({
    query: `WorkflowId = "${root}" OR WorkflowId STARTS_WITH "${root}:"`,
  })) {
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    largest = Math.max(largest, events?.length ?? 0);
    for (const { activityTaskScheduledEventAttributes: scheduled } of events ?? []) {
      const name = scheduled?.activityType?.name;
      if (name) types[name] = (types[name] ?? 0) + 1;
    }
  }
  return { activities: Object.values(types).reduce((sum, count) => sum + count, 0), types, largest };
}
