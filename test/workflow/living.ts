import { expect } from 'vitest';
import * as z from 'zod';
import { compilePlan } from '../../src/plan/compile.ts';
import type { Operation } from '../../src/roles/operation.ts';
import { hostNames, type Role } from '../../src/roles/role.ts';
import { keep } from '../../src/spec/kept.ts';
import { parseCluster } from '../../src/spec/parse.ts';
import { type ApplyReply, type ClusterState } from '../../src/workflows/contract.ts';
import { apply, status } from './applying.ts';
import { until, vault, withWorker } from './drive.ts';
import type { Machines } from './machines.ts';
import { toys } from './roles.ts';

const operation = (name: string) => {
  const found = toys[0]!.operations.find((one) => one.name === name);
  if (!found) throw new Error(`no toy ${name}`);
  return found as Operation<never>;
};
const none = {} as never;

/** The network: every host knows the keys of all. */
export const net: Role<unknown> = {
  name: 'net',
  section: ['network'],
  always: true,
  config: z.strictObject({}),
  operations: toys[0]!.operations.filter(({ name }) => /^(?:sys|pkg|net)\./.test(name)),
  network: () => ({ driver: 'wireguard', range: '10.200.0.0/16', prefix: 24, domain: 'toy.local', mtu: 1400 }),
  stages: (_, { on }) => [
    operation('pkg.install').over(on, 'install packages', { package: 'engine' } as never),
    operation('net.createKey').over(on, 'create a key', none),
    operation('net.join').over(on, 'join the mesh', none),
  ],
  leave: (_, { on }) => [operation('net.configure').over(on, 'forget who leaves', { mtu: on.length } as never)],
};

const db: Role<{ hosts?: string[] | undefined }> = {
  name: 'db',
  config: z.strictObject({ hosts: hostNames }),
  operations: toys[0]!.operations.filter(({ name }) => name.startsWith('db.')),
  secrets: () => ({ 'db.password': { generate: { length: 24, alphabet: 'alphanumeric' } } }),
  stages: (_, { on }) => [
    operation('db.start').over(on, 'start the database', { version: '4.4' } as never, { secrets: ['db.password'] }),
  ],
};

/** Toys that are laid out over whatever hosts a cluster.yaml has. */
const living = [net, db] as unknown as readonly Role[];

export const specOf = (name: string, hosts: readonly string[], more = '') => `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: ${name} }
sites: { ams: {}, fra: {} }
access: { user: vagrant, password: { env: PASSWORD } }
hosts:
${hosts.map((host, n) => `  - { name: ${host}, site: ${n % 2 === 0 ? 'ams' : 'fra'}, address: 192.0.2.${10 + n} }`).join('\n')}
roles: { db: {} }
${more}`;

/** Applies a cluster.yaml as the client would. */
export async function applySpec(taskQueue: string, text: string): Promise<ApplyReply> {
  const { cluster } = parseCluster(text, { file: 'cluster.yaml', roles: living });
  const state = await status(cluster.name).catch(() => undefined);
  const plan = compilePlan(cluster, state?.knowledge ?? { indexes: {} }, { roles: living });
  return apply(taskQueue, plan, {
    sealed: { 'access.password': await vault.seal('canary-of-the-login') },
    wanted: keep(cluster),
  });
}

/** The cluster once nothing runs. */
export async function rested(name: string): Promise<ClusterState> {
  await until(async () => {
    const { rollout, requests = [] } = await status(name);
    return !rollout && !requests.some(({ state }) => ['waiting', 'planning', 'running'].includes(state));
  });
  return status(name);
}

/** A cluster of these hosts, rolled out, while `act` lasts. */
export async function serving(
  machines: Machines,
  act: (cluster: string, queue: string) => Promise<void>,
  cluster: string,
  hosts: readonly string[],
  more = '',
): Promise<void> {
  await withWorker(
    machines,
    async (queue) => {
      await applySpec(queue, specOf(cluster, hosts, more));
      expect((await rested(cluster)).last).toMatchObject({ state: 'done' });
      await act(cluster, queue);
    },
    undefined,
    { roles: living },
  );
}
