import * as marker from '../ssh/marker.ts';
import type { Recall } from './contract.ts';
import { failure } from './failures.ts';
import { answered } from './state.ts';
import { type Tools, visiting } from './visit.ts';

/** `host.recall`: whose a host is, and what lies there of its cluster. Changes nothing. */
export function createRecall(tools: Tools): Recall {
  return (task) =>
    visiting(tools, task, 'owner of', async (visit) => {
      const slices = task.copy === true ? marker.askingCopy() : [];
      const [whose, which, ...copied] = await visit.ask([marker.asking(), marker.askingRevision(), ...slices]);
      const owner = marker.parse(answered(whose!));
      const revision = Number.parseInt(which!.stdout, 10);
      const copy = copied.map(({ stdout }) => stdout).join('');
      if (task.copy === true && copy === '') throw failure('StateUnknown', 'the copy of the cluster cannot be read');
      return {
        ...(owner && { owner }),
        ...(Number.isInteger(revision) && { revision }),
        ...(copy !== '' && { copy }),
      };
    });
}
