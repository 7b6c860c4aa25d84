import { proxyActivities, setHandler } from '@temporalio/workflow';
import type { Reseal, Sealed } from '../activities/contract.ts';
import { groups } from '../plan/plan.ts';
import { type Resealed, resealUpdate } from './contract.ts';
import type { Memory } from './memory.ts';

const { 'secrets.reseal': reseal } = proxyActivities<{ 'secrets.reseal': Reseal }>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '10 minutes',
});

/** How many at a time: some 300 bytes each. */
const AT_ONCE = 200;

/** What a cluster keeps sealed can be sealed anew, for another identity of its workers. */
export function letReseal(memory: Memory): void {
  setHandler(resealUpdate, ({ by }) => resealed(memory, by), {
    description: 'Seals what is kept for the identity that the workers have now. Sent by `farweave secrets rotate`.',
  });
}

async function resealed(memory: Memory, by: string): Promise<Resealed> {
  const before = memory.state.sealed;
  const results = await Promise.all(
    groups(AT_ONCE, Object.entries(before)).map((part) => reseal({ sealed: Object.fromEntries(part) })),
  );
  const anew: Sealed = Object.assign({}, ...results.map(({ sealed }) => sealed));
  const lost = results.flatMap((result) => result.lost);
  const recipient = results[0]?.recipient;
  const answer = { sealed: Object.keys(anew).length, lost, ...(recipient !== undefined && { recipient }) };
  if (answer.sealed === 0) return answer;
  const { sealed, revision } = memory.state;
  // What has come meanwhile stays as it came: nothing of it was asked for.
  const now = Object.entries(sealed).map(([name, text]) => [name, text === before[name] ? (anew[name] ?? text) : text]);
  const what = `${answer.sealed} secrets sealed anew for ${recipient}`;
  memory.become({ ...memory.state, sealed: Object.fromEntries(now), resealed: revision }, what, by);
  return answer;
}
