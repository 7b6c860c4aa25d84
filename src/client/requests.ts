import type { UpdateDefinition } from '@temporalio/common';
import { type ClusterControls, clusterId, clusterUpdate } from '../workflows/contract.ts';
import type { Farweave } from './connection.ts';
import { refusal } from './refusal.ts';
import { whoAmI } from './who.ts';

type Asked<Name extends keyof ClusterControls> = Omit<ClusterControls[Name], 'by'>;

/** Tries parked hosts again now: those named, or all that nobody has skipped. Rejects with a `Failure` where the cluster refuses. */
export const followUp = (farweave: Farweave, cluster: string, asked: Asked<'followUp'> = {}) =>
  ask(farweave, cluster, 'followUp', asked);

/** Holds a host to the key that it shows, and takes it along again. Rejects with a `Failure` where no such question is open. */
export const acceptHostKey = (farweave: Farweave, cluster: string, asked: Asked<'acceptHostKey'>) =>
  ask(farweave, cluster, 'acceptHostKey', asked);

/** Carries out the plan of an earlier revision: of the last one that differs, unless told. Rejects with a `Failure` where there is none, or a rollout runs. */
export const rollbackTo = (farweave: Farweave, cluster: string, asked: Asked<'rollbackTo'> = {}) =>
  ask(farweave, cluster, 'rollbackTo', asked);

/** Takes the apply back that waits for its turn. Rejects with a `Failure` where none does. */
export const withdraw = (farweave: Farweave, cluster: string, asked: Asked<'withdraw'> = {}) =>
  ask(farweave, cluster, 'withdraw', asked);

/** Carries out the last plan once more, where drift was found. Unless `approved` it waits for an approval. Rejects with a `Failure` where a rollout runs or waits, or no drift is known. */
export const repair = (farweave: Farweave, cluster: string, asked: Asked<'repair'> = {}) =>
  ask(farweave, cluster, 'repair', asked);

const ask = <Name extends keyof ClusterControls>(farweave: Farweave, cluster: string, what: Name, asked: Asked<Name>) =>
  update(farweave, cluster, clusterUpdate(what), { ...asked, by: whoAmI() } as ClusterControls[Name]);

/** Asks a cluster for something, and gives its answer. Rejects with a `Failure` where it refuses, or nobody answers in a minute. */
export async function update<Answer, Message>(
  { client }: Farweave,
  cluster: string,
  what: UpdateDefinition<Answer, [Message]>,
  message: Message,
): Promise<Answer> {
  try {
    return await client.withDeadline(Date.now() + 60_000, () =>
      client.workflow.getHandle(clusterId(cluster)).executeUpdate(what, { args: [message] }),
    );
  } catch (error) {
    throw refusal(error);
  }
}
