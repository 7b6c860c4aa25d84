import { ApplicationFailure } from '@temporalio/common';
import type { HostSpec } from '../plan/plan.ts';
import type { FailureDetail, Refused, Settle, SettleTogether, Survey, SurveyTogether } from './contract.ts';
import { startPulse } from './pulse.ts';

/** Hosts that a worker looks at, or lets go of, at the same time: as many as it works on by default. */
const AT_ONCE = 100;

/** Short work on several hosts in one activity, which costs more than the work. What becomes of one is nothing to the others. */
export function together({ survey, settle }: { readonly survey: Survey; readonly settle: Settle }) {
  const slots = new Slots(AT_ONCE);

  async function each<T>(hosts: readonly HostSpec[], act: (host: HostSpec) => Promise<T>): Promise<readonly T[]> {
    // For those that wait for a slot, which nobody visits yet.
    const pulse = startPulse((text) => text);
    try {
      return await Promise.all(hosts.map((host) => slots.run(() => act(host))));
    } finally {
      pulse.end();
    }
  }

  const surveys: SurveyTogether = ({ hosts, ...task }) => each(hosts, (host) => survey({ ...task, host }).catch(told));
  const settles: SettleTogether = async ({ hosts, ...task }) => {
    await each(hosts, (host) => settle({ ...task, host }).catch(told));
  };
  return { survey: surveys, settle: settles };
}

/** A failure of one host is a part of the answer. That the activity is to end is none. */
function told(error: unknown): { readonly failed: Refused } {
  if (!(error instanceof ApplicationFailure) || error.nonRetryable !== true) throw error;
  const { type, message, details } = error;
  return {
    failed: { type: type ?? 'Unexpected', message, detail: (details?.[0] ?? { results: [] }) as FailureDetail },
  };
}

class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((go) => this.#waiting.push(go));
    try {
      return await act();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
