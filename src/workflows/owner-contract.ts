import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { Recalled, Sealed } from '../activities/contract.ts';
import type { Bastions, HostSpec } from '../plan/plan.ts';
import type { ClusterState } from './cluster-contract.ts';
import type { Problem } from './records.ts';

// ---- cluster:<name>, as it moves from server to server ----

/** When a cluster left this server, and who took it away. */
export interface Moved {
  /** ISO 8601. */
  readonly at: string;
  readonly by: string;
}

/** That it left, as a clause. */
export const elsewhere = (cluster: string, { at, by }: Moved) =>
  `${cluster} moved on ${at.slice(0, 10)} by ${by}: it lives elsewhere now`;

/** All that a cluster is, wherever its server: not what runs, and not that it has moved. */
export type Belongings = Omit<ClusterState, 'rollout' | 'moved' | 'queued' | 'waiting' | 'fallback' | 'requests'>;

/** What lies on hosts, for when nothing else is left: nothing that a rollout would not find out again. */
export type ClusterCopy = Pick<
  ClusterState,
  'revision' | 'version' | 'knowledge' | 'facts' | 'sealed' | 'wanted' | 'former'
> & {
  readonly cluster: string;
  readonly owner: string;
};

export interface MoveRequest {
  readonly by: string;
  /** Of what was exported: where more has happened since, the move is refused. */
  readonly revision: number;
}

export interface AdoptRequest {
  readonly state: Belongings;
  readonly by: string;
  /** Where it comes from, as a phrase: `a file of ada@laptop`. */
  readonly from: string;
  /** Takes the place of what this server knows of the cluster. */
  readonly force?: boolean;
}

/** What is to be exported: whole, where `status` may leave out what no client needs. */
export const belongingsQuery = defineQuery<Belongings>('belongings');
/** From here on nothing is rolled out from this server. */
export const moveUpdate = defineUpdate<Moved, [MoveRequest]>('move');
/** The cluster goes on here, as what it was elsewhere. Answers with what it is now. */
export const adoptUpdate = defineUpdate<ClusterState, [AdoptRequest]>('adopt');

/** How many secrets are sealed for another identity now, and those that nobody here can open. */
export interface Resealed {
  readonly sealed: number;
  readonly lost: readonly string[];
  /** Whose identity that is; none where there was no secret. */
  readonly recipient?: string;
}

/** Seals what a cluster keeps for the identity that its workers have now. May be asked for again. */
export const resealUpdate = defineUpdate<Resealed, [{ readonly by: string }]>('reseal');

// ---- recall:<name>:<request> ----

export interface RecallInput {
  readonly cluster: string;
  readonly hosts: readonly HostSpec[];
  /** On the way to the hosts. */
  readonly bastions?: Bastions;
  /** For the access to the hosts. */
  readonly sealed: Sealed;
}

/** What hosts know of the cluster that they belong to. */
export interface RecallResult {
  readonly hosts: Readonly<Record<string, Omit<Recalled, 'copy'>>>;
  /** The newest copy of the cluster by this name, a {@link ClusterCopy} as JSON, gzipped, in base64. */
  readonly copy?: string;
  /** Hosts that could not be asked. */
  readonly problems: readonly Problem[];
}
