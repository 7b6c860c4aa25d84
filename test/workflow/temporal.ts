import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The Temporal CLI that runs the server of these tests. */
export async function temporalProgram(): Promise<string> {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'temporal'));
  const found = [process.env.TEMPORAL_CLI, ...onPath, '/tmp/temporal/bin/temporal'].find(
    (path) => path && existsSync(path),
  );
  if (!found) throw new Error('no Temporal CLI: set TEMPORAL_CLI');
  return found;
}
