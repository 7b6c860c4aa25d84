// Follows the events of a cluster, as they come: who did what, what failed, who was left out.
//
//   node examples/follow.ts forum           until Ctrl-C
//   node examples/follow.ts forum --once    what there is, and no more
//
// (As the package: import … from 'farweave'.)
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, Failure, status } from '../src/client/index.ts';

const [cluster = 'forum', once] = process.argv.slice(2);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const farweave = await connect({ progress: console.error, needsWorker: true });
try {
  const told = new Set<string>();
  while (!stop.signal.aborted) {
    const state = await status(farweave, cluster);
    if (!state) throw new Failure(`Nothing is known of ${cluster} here.`);
    for (const { at, what, by } of state.events) {
      const line = `${at} ${what}${by === undefined ? '' : ` (${by})`}`;
      if (!told.has(line)) console.log(line);
      told.add(line);
    }
    if (once === '--once') break;
    await sleep(1_000, undefined, { signal: stop.signal }).catch(() => {});
  }
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
} finally {
  await farweave.close();
}
