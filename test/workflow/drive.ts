import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { afterAll, beforeAll, inject } from 'vitest';
import { openVault, type Vault } from '../../src/activities/vault.ts';
import { DIGEST_KEY, type Plan } from '../../src/plan/plan.ts';
import { dataConverter } from '../../src/wire/compact.ts';
import { createSiteWorkers, createWorker } from '../../src/worker/create.ts';
import { type Outcome, outcomeOf, type RolloutInput, rolloutId } from '../../src/workflows/contract.ts';
import type { rollout } from '../../src/workflows/rollout.ts';
import { ELSEWHERE } from './elsewhere.ts';
import type { Machines } from './machines.ts';
import { toys } from './roles.ts';

let connection: Connection;
let native: NativeConnection;
export let client: Client;
/** Of a server that knows nothing of this one. */
export let elsewhere: Client;
export let vault: Vault;
export let vaultFolder: string;
/** Values that must never be seen in a history. */
export const CANARIES = { 'vm.password': 'canary-of-the-login', 'db.password': 'canary/of "the" database' };

/** Connects a test file to the server of `setup.ts`. */
export function connected(): void {
  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const address = inject('address');
    [connection, native] = await Promise.all([Connection.connect({ address }), NativeConnection.connect({ address })]);
    client = new Client({ connection, dataConverter });
    elsewhere = new Client({ connection, dataConverter, namespace: ELSEWHERE });
    vaultFolder = await mkdtemp(join(tmpdir(), 'farweave-vault-'));
    vault = await openVault(vaultFolder);
  });
  afterAll(async () => {
    await Promise.all([connection.close(), native.close(), rm(vaultFolder, { recursive: true })]);
  });
}

interface Place {
  readonly roles?: typeof toys;
  readonly namespace?: string;
  /** Whose secrets it can open. */
  readonly vault?: Vault;
  /** Activities at once. */
  readonly concurrency?: number;
  /** Activities that begin within a second. */
  readonly rate?: number;
}

/** Runs a worker while `act` lasts. */
export async function withWorker<T>(
  machines: Pick<Machines, 'connect'>,
  act: (taskQueue: string) => Promise<T>,
  taskQueue: string = randomUUID(),
  { roles = toys, namespace = 'default', vault: own = vault, ...more }: Place = {},
): Promise<T> {
  const worker = await createWorker({
    connection: native,
    workflowBundle: { codePath: inject('bundlePath') },
    taskQueue,
    connect: machines.connect,
    roles,
    namespace,
    vault: own,
    ...more,
  });
  return worker.runUntil(() => act(taskQueue));
}

/** Runs a site's own worker while `act` lasts, as well as the one for the task queue. */
export async function withSiteWorker<T>(
  site: string,
  machines: Pick<Machines, 'connect'>,
  act: () => Promise<T>,
  taskQueue: string,
  more: Pick<Place, 'concurrency' | 'rate'> = {},
): Promise<T> {
  const { connect } = machines;
  const workers = await createSiteWorkers({
    connection: native,
    site,
    taskQueue,
    connect,
    roles: toys,
    vault,
    ...more,
  });
  const [run] = workers.map((worker) => (rest: () => Promise<T>) => worker.runUntil(rest));
  return workers.slice(1).reduce(
    (rest, worker) => () => worker.runUntil(rest),
    () => run!(act),
  )();
}

export async function sealed(): Promise<Record<string, string>> {
  const values = { ...CANARIES, [DIGEST_KEY]: 'a key for digests' };
  return Object.fromEntries(
    await Promise.all(Object.entries(values).map(async ([name, value]) => [name, await vault.seal(value)] as const)),
  );
}

/** Starts a rollout on its own, without a cluster workflow. */
export async function start(taskQueue: string, plan: Plan, more: Partial<RolloutInput> = {}) {
  const revision = more.revision ?? 1;
  const input: RolloutInput = { plan, revision, sealed: await sealed(), facts: {}, ...more };
  return client.workflow.start<typeof rollout>('rollout', {
    args: [input],
    taskQueue,
    workflowId: rolloutId(plan.cluster, revision),
  });
}

/** The outcome, however it ended. */
export async function outcome(handle: WorkflowHandle<typeof rollout>): Promise<Outcome> {
  return handle.result().catch((error: unknown) => {
    const told = outcomeOf(error);
    if (!told) throw error;
    return told;
  });
}

/** Waits until something holds; the test's own time-out ends it. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 25));
}

/** Activities by type over a rollout and its children, the largest history, and all histories as text. */
export async function measure(cluster: string, revision: number) {
  const types: Record<string, number> = {};
  let [largest, bytes, workflows, attempts] = [0, 0, 0, 0];
  const histories: string[] = [];
  const root = rolloutId(cluster, revision);
  await until(async () => (await client.workflow.count(`WorkflowId = "${root}"`)).count > 0);
  const query = `WorkflowId = "${root}" OR WorkflowId STARTS_WITH "${root}:"`;
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    const handle = client.workflow.getHandle(workflowId, runId);
    const [{ events }, { historySize }] = await Promise.all([handle.fetchHistory(), handle.describe()]);
    workflows++;
    largest = Math.max(largest, events!.length);
    bytes = Math.max(bytes, historySize ?? 0);
    for (const {
      activityTaskScheduledEventAttributes: scheduled,
      activityTaskStartedEventAttributes: started,
    } of events!) {
      const name = scheduled?.activityType?.name;
      if (name) types[name] = (types[name] ?? 0) + 1;
      attempts = Math.max(attempts, started?.attempt ?? 0);
    }
    histories.push(JSON.stringify(events, decoded));
  }
  const activities = Object.values(types).reduce((a, b) => a + b, 0);
  return { activities, types, workflows, largest, bytes, attempts, histories: histories.join('\n') };
}

/** Payloads are bytes: a search must see through them. */
function decoded(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer') return '';
  return value;
}
