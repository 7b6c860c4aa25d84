import { setTimeout as sleep } from 'node:timers/promises';
import { apply, type Draft, drift, parseCluster, resolveSecrets, status } from '../../src/client/index.ts';
import { allot, compilePlan } from '../../src/plan/compile.ts';
import { digestOf } from '../../src/plan/digest.ts';
import type { Role } from '../../src/roles/role.ts';
import { script } from '../../src/roles/script/index.ts';
import { type Outcome, outcomeOf } from '../../src/workflows/contract.ts';
import type { Stand } from './stand.ts';
import { clusterFile, type Shape } from './work.ts';

/** One rollout, as whoever began it saw it. */
export interface Rolled {
  /** From the cluster file in memory to the end of the rollout. */
  readonly seconds: number;
  readonly outcome: Outcome;
  readonly workflowId: string;
  /** The plan as it is sent, before it is packed. */
  readonly planBytes: number;
}

/**
 * The scripts alone: simulated hosts have no packages, services and kernel of their own that other roles could be about.
 * Otherwise the plan is made and rolled out as the public client does it.
 */
const roles = [script as Role];

/** Rolls out through the public client, and waits for the end as a program would: without looking in between. */
export async function rollOut({ farweave }: Stand, shape: Shape): Promise<Rolled> {
  const text = clusterFile(shape);
  const before = await settled(farweave, shape.name);
  const began = performance.now();
  const { cluster } = parseCluster(text, { file: 'cluster.yaml' });
  const secrets = Object.fromEntries(await resolveSecrets(cluster.secrets, {}));
  const known = before?.knowledge ?? { indexes: {} };
  const plan = compilePlan(cluster, known, { roles });
  const made: Draft = { plan, digest: digestOf(plan), basis: before?.version ?? 0, knowledge: allot(cluster, known) };
  const { workflowId } = await apply(farweave, made, secrets);
  const outcome = await ended(farweave.client, workflowId);
  const seconds = (performance.now() - began) / 1_000;
  return { seconds, outcome, workflowId, planBytes: JSON.stringify(plan).length };
}

/** Rejects where it has not ended well, with what went wrong. */
async function ended(client: Stand['farweave']['client'], workflowId: string): Promise<Outcome> {
  try {
    return await client.workflow.getHandle<() => Promise<Outcome>>(workflowId).result();
  } catch (error) {
    const { state = 'ended', problems = [] } = outcomeOf(error) ?? {};
    const said = problems.slice(0, 3).map(({ message }) => message);
    throw new Error(`${workflowId} has ${state}: ${said.join('; ')}`, { cause: error });
  }
}

/** Seconds that a look for drift over the whole cluster takes. */
export async function lookForDrift({ farweave }: Stand, name: string): Promise<number> {
  await settled(farweave, name);
  const began = performance.now();
  const { skipped, differences } = await drift(farweave, name);
  if (skipped !== undefined || differences.length > 0) throw new Error(`Drift of ${name} where there is none`);
  return (performance.now() - began) / 1_000;
}

/** What the cluster knows once it has heard of the end of its last rollout, which it hears a moment after others. */
async function settled(farweave: Stand['farweave'], name: string) {
  for (;;) {
    const state = await status(farweave, name);
    if (!state?.rollout) return state;
    await sleep(20);
  }
}
