import { setHandler, uuid4 } from '@temporalio/workflow';
import type { Packed } from '../plan/pack.ts';
import { refused } from './admission.ts';
import {
  type AdoptRequest,
  type ApplyRequest,
  adoptUpdate,
  type Belongings,
  belongingsQuery,
  type ClusterState,
  elsewhere,
  type Moved,
  type MoveRequest,
  moveUpdate,
  type RolloutInput,
} from './contract.ts';
import type { Memory } from './memory.ts';

/** What a rollout tells hosts of the cluster. A verification claims none: it changes nothing. */
export function ownership(
  name: string,
  memory: Memory,
  { plan, by }: Packed<ApplyRequest>,
): Pick<RolloutInput, 'owner' | 'keep'> {
  if (plan.purpose === 'verify') return {};
  const { owner: id = uuid4(), version, knowledge, sealed, wanted, former } = memory.state;
  memory.own(id);
  const others = Object.entries(sealed).filter(([secret]) => plan.secrets[secret] === undefined);
  return {
    owner: { id, cluster: name, by, since: new Date().toISOString() },
    // Of a cluster that goes nothing is to lie around.
    ...(plan.purpose === 'apply' && {
      keep: {
        version,
        knowledge,
        sealed: Object.fromEntries(others),
        ...(wanted && { wanted }),
        ...(former && { former }),
      },
    }),
  };
}

/** A cluster can be taken to another server, and taken up from one. Neither while something is begun or runs. */
export function letMove(name: string, memory: Memory, isStarting: () => boolean): void {
  const rest = () => {
    const { rollout } = memory.state;
    if (rollout || isStarting())
      throw refused('RolloutRunning', `a rollout of ${name} runs: wait until it has ended, or cancel it first`);
  };
  setHandler(belongingsQuery, () => belongings(memory.state), { description: 'What `farweave cluster export` takes.' });
  setHandler(moveUpdate, (request) => move(memory, request), {
    validator: ({ revision }) => {
      rest();
      if (revision === memory.state.revision) return refuseMoved(name, memory.state);
      throw refused('InvalidRequest', `revision ${memory.state.revision} of ${name} has begun since: export it anew`);
    },
    description: 'Keeps this server from rolling the cluster out. Sent by `farweave cluster export`.',
  });
  setHandler(adoptUpdate, (request) => adopt(memory, request), {
    validator: ({ force }) => {
      rest();
      if (force !== true && isKnown(memory.state))
        throw refused('ClusterKnown', `${name} is known here, at revision ${memory.state.revision}`);
    },
    description: 'Takes a cluster up from another server. Sent by `farweave cluster adopt`.',
  });
}

/** Throws what the sender is told where the cluster lives elsewhere by now. */
export function refuseMoved(name: string, { moved }: ClusterState): void {
  if (moved) throw refused('Moved', elsewhere(name, moved));
}

/** Neither what runs or waits to nor that it has moved goes along. */
function belongings(state: ClusterState): Belongings {
  const { rollout: _, moved: __, queued: ___, waiting: ____, fallback: _____, requests: ______, ...rest } = state;
  return rest;
}

function move(memory: Memory, { by }: MoveRequest): Moved {
  const moved = { at: new Date().toISOString(), by };
  memory.become({ ...memory.state, moved }, 'exported, to go on elsewhere', by);
  return moved;
}

/** Numbers of rollouts go on from the higher one, so that none is given twice. */
function adopt(memory: Memory, { state, by, from }: AdoptRequest): ClusterState {
  const { version, revision } = memory.state;
  const highest = { version: Math.max(version, state.version), revision: Math.max(revision, state.revision) };
  memory.become({ ...state, ...highest }, `adopted from ${from}`, by);
  return memory.state;
}

/** What has moved away may come back. */
const isKnown = ({ moved, revision, knowledge }: ClusterState) =>
  moved === undefined && (revision > 0 || Object.keys(knowledge.indexes).length > 0);
