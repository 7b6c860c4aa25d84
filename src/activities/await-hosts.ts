import { once } from 'node:events';
import { ApplicationFailure } from '@temporalio/common';
import { HostKeyChanged } from '../ssh/errors.ts';
import type { AwaitHosts } from './contract.ts';
import { cancelled, handedOver } from './failures.ts';
import { startPulse } from './pulse.ts';
import { reach, type Way } from './reach.ts';
import type { Tools } from './visit.ts';

/** One look at hosts that are parked: who can be logged in to. Changes nothing. */
export function createAwait({ connect, open }: Tools): AwaitHosts {
  return async ({ hosts: all, bastions, facts, sealed }) => {
    // Where not all of them come to their turn, others do next time.
    const hosts = all.toSorted(() => Math.random() - 0.5);
    const secrets = open(sealed);
    const pulse = startPulse(secrets.redact);
    try {
      const looks = Promise.all(hosts.map((host) => whyNot({ connect, secrets, host, facts, bastions })));
      const stopped = pulse.stop.aborted ? Promise.resolve() : once(pulse.stop, 'abort');
      const reasons = await Promise.race([looks, stopped.then(() => undefined)]);
      if (!reasons) throw pulse.cancel.aborted ? cancelled({ results: [] }) : handedOver();
      const answering = hosts.filter((_, n) => reasons[n] === undefined).map(({ name }) => name);
      if (answering.length > 0) return answering;
      const told = secrets.redact(reasons.slice(0, 3).join('; '));
      throw ApplicationFailure.retryable(`no answer yet: ${told}`, 'Unreachable');
    } finally {
      pulse.end();
    }
  };
}

/** Why a host does not let us in, if so. */
async function whyNot(way: Way): Promise<string | undefined> {
  try {
    await reach(way);
    return undefined;
  } catch (error) {
    // It is there, but may be another one. That is for people to say, and a rollout is what asks them.
    if (error instanceof HostKeyChanged) return undefined;
    return error instanceof Error ? error.message : String(error);
  }
}
