import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { apply, connect, type Draft, type Farweave } from '../../src/client/index.ts';
import { digestOf } from '../../src/plan/digest.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { farweave as commandLine, type Said } from '../unit/cli-io.ts';
import { CANARIES, vault, withWorker } from './drive.ts';
import type { Machines } from './machines.ts';

export interface Here {
  readonly farweave: Farweave;
  /** Runs a command line against the server and the worker of the test. */
  readonly call: (...argv: string[]) => Promise<Said>;
  readonly env: Readonly<Record<string, string>>;
}

/** A worker, a connection, and the command line in a folder that has this cluster file, while `act` lasts. */
export async function withCommandLine(
  machines: Machines,
  { cwd, file }: { readonly cwd: string; readonly file: string },
  act: (here: Here) => Promise<void>,
): Promise<void> {
  writeFileSync(join(cwd, 'cluster.yaml'), file);
  await withWorker(machines, async (taskQueue) => {
    const address = inject('address');
    const env = { TEMPORAL_ADDRESS: address, FARWEAVE_TASK_QUEUE: taskQueue, FARWEAVE_RECIPIENT: vault.recipient };
    const farweave = await connect({ address, env });
    try {
      await act({ farweave, env, call: (...argv) => commandLine(argv, { cwd, env }) });
    } finally {
      await farweave.close();
    }
  });
}

/** A plan as the client would have made it, from what was known of the cluster at some version. */
export function draftOf(plan: Plan, basis = 0): Draft {
  const indexes = Object.fromEntries(plan.hosts.map(({ name, index }) => [name, index]));
  return { plan, digest: digestOf(plan), basis, knowledge: { indexes } };
}

/** Begins to roll a plan out. */
export const begin = (farweave: Farweave, plan: Plan, basis = 0) => apply(farweave, draftOf(plan, basis), CANARIES);
