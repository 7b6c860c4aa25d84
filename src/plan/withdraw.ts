import { type Json, OTHERS, RELEASED, type Stage, withdrawalOf } from './plan.ts';

/** Milliseconds for what takes as long as an undo of anything. */
const TIMEOUT = 1_800_000;

/**
 * The stages that leave hosts as they were found: all that `changes` have brought about is taken back, the last first, by
 * what is recorded on each host; so it does not matter with which arguments, or how often. What nobody asks for any more goes
 * first: whoever was served by the rest. `erasing` comes when nothing uses the data any more.
 */
export function withdrawals(
  changes: readonly Stage[],
  hosts: readonly string[],
  { erasing, data }: { readonly erasing: readonly Stage[]; readonly data: boolean },
): readonly Stage[] {
  const reversible = changes.filter(({ kind, irreversible }) => kind === 'change' && irreversible === undefined);
  const uses = [...Map.groupBy(reversible.toReversed(), ({ operation }) => operation)];
  return [
    taking(OTHERS, 'take back what is not in the plan', hosts, { but: uses.map(([operation]) => operation) }),
    ...uses.map(([operation, stages]) => ({
      ...taking(withdrawalOf(operation), `take back: ${stages[0]!.title}`, hosts, null),
      secrets: [...new Set(stages.flatMap(({ secrets }) => secrets))],
      brief: stages.every(({ brief }) => brief),
      timeout: Math.max(...stages.map(({ timeout }) => timeout)),
    })),
    ...erasing,
    taking(RELEASED, 'give the host up', hosts, { data }),
  ];
}

function taking(operation: string, title: string, hosts: readonly string[], args: Json): Stage {
  return {
    id: '', // given by the compiler, as is the lane
    lane: -1,
    title,
    operation,
    kind: 'change',
    scope: 'host',
    hosts,
    args,
    secrets: [],
    brief: false,
    timeout: TIMEOUT,
    needs: [],
    irreversible: 'nothing is left there to bring it about again with: apply once more',
  };
}
