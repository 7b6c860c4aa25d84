import { CancellationScope, setHandler } from '@temporalio/workflow';
import { type HostReply, hostSignal, hostUpdate } from './contract.ts';
import { admitAnswer, admitChange, changeOf, EXAMPLES } from './host-admission.ts';
import type { HostRequests } from './host-requests.ts';
import type { Memory } from './memory.ts';

const DOES = {
  addHost: 'Takes a host into the cluster.',
  removeHost: 'Takes hosts out of the cluster, in order where they are alive.',
  replaceHost: 'Puts another machine in the place of a host.',
} as const;

/** What hears of hosts that are to come and go: updates for programs, signals for people and scripts. */
export function letHostsChange(name: string, memory: Memory, requests: HostRequests): void {
  for (const kind of ['addHost', 'removeHost', 'replaceHost'] as const) {
    const description = `${DOES[kind]} ${EXAMPLES[kind]}`;
    setHandler(hostUpdate(kind), (asked) => shielded(() => requests.accept(kind, asked)), {
      validator: (asked) => {
        changeOf(kind, asked);
        admitChange(name, memory.state);
      },
      description,
    });
    setHandler(hostSignal(kind), (asked) => shielded(() => requests.heed(kind, asked)), { description });
  }
  setHandler(hostUpdate('approveHost'), (asked) => shielded(() => requests.approve(asked)), {
    validator: (asked) => void admitAnswer(name, memory.state, asked, ['asking']),
    description: `The key that a host shows is its own. ${EXAMPLES.approveHost}`,
  });
  setHandler(hostSignal('approveHost'), (asked) => requests.heedAnswer('approveHost', asked), {
    description: `The key that a host shows is its own. ${EXAMPLES.approveHost}`,
  });
  setHandler(hostUpdate('withdrawHost'), (asked) => shielded(() => requests.withdraw(asked)), {
    validator: (asked) => void admitAnswer(name, memory.state, asked, ['asking', 'waiting']),
    description: `Takes back a request that has not begun. ${EXAMPLES.withdrawHost}`,
  });
  setHandler(hostSignal('withdrawHost'), (asked) => requests.heedAnswer('withdrawHost', asked), {
    description: `Takes back a request that has not begun. ${EXAMPLES.withdrawHost}`,
  });
}

function shielded<T extends HostReply | void>(act: () => Promise<T>): Promise<T> {
  return CancellationScope.nonCancellable(act);
}
