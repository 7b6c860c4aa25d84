import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { admit, admitFollowUp, admitHostKey, admitRollback, admitWithdrawal } from './admission.ts';
import { carried } from './carried.ts';
import {
  applyUpdate,
  type ClusterInput,
  clusterUpdate,
  followUpSignal,
  isPending,
  noteSignal,
  rolloutChangedSignal,
  rolloutEndedSignal,
  statusQuery,
} from './contract.ts';
import { letDrift } from './drift-handlers.ts';
import { letHostsChange } from './host-handlers.ts';
import { HostRequests } from './host-requests.ts';
import { HostTurns } from './host-turns.ts';
import { Lookout } from './lookout.ts';
import { Memory } from './memory.ts';
import { letMove, refuseMoved } from './owner.ts';
import { Requests } from './requests.ts';
import { letReseal } from './reseal.ts';
import { Rollouts } from './rollouts.ts';

/** How often a rollout that nobody watches is asked for a sign of life. */
const CHECKUP = '5 minutes';

/** The life of a cluster: what it has become, and one rollout at a time. It lasts as long as the cluster. */
export async function cluster({ name, state }: ClusterInput): Promise<void> {
  const memory = new Memory(name, state);
  const rollouts = new Rollouts(name, memory);
  const requests = new Requests(name, memory, rollouts);
  const hosts = new HostTurns(name, memory, rollouts);

  // A cancellation of this workflow, pressed in the Web UI by mistake, must not reach what it does for others.
  setHandler(applyUpdate, (request) => shielded(() => rollouts.begin({ request })), {
    validator: (request) => {
      refuseMoved(name, memory.state);
      admit(name, memory.state, request);
    },
    description: 'Begins to roll a plan out. Answers when it has begun. Sent by `farweave apply`.',
  });
  setHandler(clusterUpdate('followUp'), (asked) => shielded(() => requests.followUp(asked)), {
    validator: (asked) => void admitFollowUp(name, memory.state, asked),
    description: 'Tries parked hosts again now. {"hosts": ["vm2"], "by": "you"}',
  });
  setHandler(followUpSignal, (asked) => shielded(() => requests.heedFollowUp(asked)), {
    description: 'Tries parked hosts again now. {"hosts": ["vm2"], "by": "you", "reason": "repaired"}',
  });
  setHandler(clusterUpdate('acceptHostKey'), (asked) => shielded(() => requests.acceptHostKey(asked)), {
    validator: (asked) => {
      refuseMoved(name, memory.state);
      admitHostKey(name, memory.state, asked);
    },
    description: 'Holds a host to the key that it shows. {"host": "vm1", "fingerprint": "SHA256:…", "by": "you"}',
  });
  setHandler(clusterUpdate('rollbackTo'), (asked) => shielded(() => requests.rollbackTo(asked)), {
    validator: (asked) => void admitRollback(name, memory.state, asked),
    description: 'Carries out the plan of an earlier revision. {"revision": 2, "by": "you"}',
  });
  setHandler(clusterUpdate('withdraw'), (asked) => shielded(() => requests.withdraw(asked)), {
    validator: (_asked) => admitWithdrawal(name, memory.state),
    description: 'Takes back the apply that waits for its turn. {"by": "you"}',
  });
  setHandler(statusQuery, () => memory.view, { description: 'Everything that is remembered of this cluster.' });
  setHandler(noteSignal, (news) => memory.heard(news), { description: 'Sent by a rollout.' });
  setHandler(rolloutChangedSignal, (news) => memory.changed(news), { description: 'Sent by a rollout.' });
  setHandler(rolloutEndedSignal, (news) => memory.ended(news), { description: 'Sent by a rollout.' });
  letMove(name, memory, () => rollouts.isBeginning);
  letReseal(memory);
  letHostsChange(name, memory, new HostRequests(name, memory));
  letDrift(name, memory, requests, () => rollouts.isBeginning);

  const isIdle = () => {
    const { rollout, queued, moved, requests: asked = [] } = memory.state;
    const waits = queued || asked.some(isPending);
    return !rollout && !waits && !moved && !rollouts.isBeginning;
  };
  const lookout = new Lookout(memory, isIdle);
  const isFull = () =>
    workflowInfo().continueAsNewSuggested && !rollouts.isBeginning && !hosts.isBusy && allHandlersFinished();

  // A cancellation would end what the cluster is remembered by: to forget it on purpose, terminate it.
  await CancellationScope.nonCancellable(async () => {
    void lookout.run((hosts) => requests.answering(hosts));
    void requests.takeTurns();
    void hosts.take();
    while (!isFull()) {
      await rollouts.checkUp();
      if (rollouts.isUnwatched) await condition(isFull, CHECKUP);
      else await condition(() => isFull() || rollouts.isUnwatched);
    }
    lookout.close();
    await continueAsNew<typeof cluster>({ name, state: carried(memory.state) });
  });
}

function shielded<T>(act: () => Promise<T>): Promise<T> {
  return CancellationScope.nonCancellable(act);
}
