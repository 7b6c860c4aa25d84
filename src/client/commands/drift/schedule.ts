import { elsewhere } from '../../../workflows/contract.ts';
import { type At, withCluster, writeJson } from '../../command.ts';
import { EXIT, Failure } from '../../errors.ts';
import { clock, table } from '../../format.ts';
import { type DriftSchedule, driftSchedule, scheduleDrift, unschedule } from '../../index.ts';

/** Sets, ends or shows the looks that are taken by themselves. `interval` in milliseconds. */
export async function schedule(at: At, interval: number | 'off' | undefined): Promise<number> {
  return await withCluster(at, async (farweave, name, { moved, drift }) => {
    if (interval === 'off') await unschedule(farweave, name);
    else if (interval !== undefined) {
      if (moved)
        throw new Failure(`${elsewhere(name, moved)}.`, {
          hint: 'Schedule it there.',
        });
      await scheduleDrift(farweave, name, interval);
    }
    const scheduled = await driftSchedule(farweave, name);
    if (at.global.json)
      writeJson(at, { cluster: name, scheduled: scheduled !== undefined, ...scheduled, ...(drift && { drift }) });
    else at.io.out.write(`${(scheduled ? lines(scheduled, drift) : [none(at)]).join('\n')}\n`);
    return EXIT.ok;
  });
}

const none = ({ self }: At) =>
  `No looks for drift are scheduled.\n  ${self} drift schedule 15m    look every 15 minutes`;

function lines({ every, next, last }: DriftSchedule, drift: { readonly differences: number } | undefined) {
  const found = drift && ` (differences found: ${drift.differences})`;
  return table([
    ['Drift', `is looked for every ${span(every)}`],
    ...(next ? [['Next', clock(next.getTime())]] : []),
    ...(last ? [['Last', `${clock(last.getTime())}${found ?? ''}`]] : []),
  ]);
}

/** As it is typed: `15m`. */
function span(milliseconds: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
  ] as const;
  const [unit, size] = units.find(([, each]) => milliseconds % each === 0) ?? ['s', 1_000];
  return `${milliseconds / size}${unit}`;
}
