import { isAccessKey } from './access-key.ts';
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
  const [doors, others] = [uses.filter(isWayIn), uses.filter((use) => !isWayIn(use))];
  return [
    taking(OTHERS, 'take back what is not in the plan', hosts, { but: uses.map(([operation]) => operation) }),
    ...others.map((use) => takingBack(use, hosts)),
    ...erasing,
    // Nobody gets in again afterwards: so the host is given up in the same breath, by the same connection.
    ...doors.map((use) => takingBack(use, hosts)),
    { ...taking(RELEASED, 'give the host up', hosts, { data }), brief: doors.length > 0 },
  ];
}

type Use = readonly [operation: string, stages: readonly Stage[]];

const isWayIn = ([, stages]: Use) => stages.some(({ secrets }) => secrets.some(isAccessKey));

function takingBack([operation, stages]: Use, hosts: readonly string[]): Stage {
  return {
    ...taking(withdrawalOf(operation), `take back: ${stages[0]!.title}`, hosts, null),
    secrets: [...new Set(stages.flatMap(({ secrets }) => secrets))],
    brief: stages.every(({ brief }) => brief),
    timeout: Math.max(...stages.map(({ timeout }) => timeout)),
  };
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
