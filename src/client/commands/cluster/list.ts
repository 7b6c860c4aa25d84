import { existsSync } from 'node:fs';
import { type At, serverOf, stateOf, withTemporal, writeJson } from '../../command.ts';
import { isServerNamed } from '../../connection.ts';
import { devFiles } from '../../dev/state.ts';
import { EXIT } from '../../errors.ts';
import { printable, table } from '../../format.ts';
import { clusters } from '../../moving.ts';

/** Lists what a server knows. An embedded one that has never run knows nothing, and is not started to say so. */
export async function listClusters(at: At): Promise<number> {
  const isThere = isServerNamed(serverOf(at)) || existsSync(devFiles(stateOf(at)).data);
  const known = isThere ? await withTemporal(at, clusters) : [];
  const rows = known.map(({ cluster, revision, state }) => [printable(cluster), `revision ${revision}`, state]);
  if (at.global.json) writeJson(at, { clusters: known });
  else
    at.io.out.write(
      table(rows)
        .map((row) => `${row}\n`)
        .join(''),
    );
  return EXIT.ok;
}
