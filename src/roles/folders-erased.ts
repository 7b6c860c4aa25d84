import * as z from 'zod';
import { script, sh } from '../ssh/command.ts';
import { no, type Operation, operation, yes } from './operation.ts';

/** A state of a host: nothing is in these folders any more. What somebody has mounted there stays mounted. */
export function foldersErased(
  name: `${string}.${string}`,
  folders: readonly string[],
): Operation<Record<string, never>, never> {
  return operation(name, z.object({}) as z.ZodType<Record<string, never>>, {
    timeout: 1_800_000,
    publishes: [],
    undo: { irreversible: 'what is erased is gone' },
    probe: () => sh`find ${folders} -mindepth 1 -maxdepth 1 2>/dev/null | head -n 1`,
    judge: ({ stdout }) => (stdout.trim() === '' ? yes() : no('data', 'none')),
    apply: () =>
      script(
        sh`for folder in ${folders}; do
  if [ -d "$folder" ]; then find "$folder" -xdev -mindepth 1 -delete; rmdir "$folder" 2>/dev/null || :; fi
done`,
      ),
  });
}
