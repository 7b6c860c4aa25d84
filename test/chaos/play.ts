import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeHistory } from '../replay/history.ts';
import { audit, mark } from './audit.ts';
import { type Grounds, onCluster } from './grounds.ts';
import type { Result, Row } from './row.ts';
import { Scene } from './scene.ts';

export interface PlayOptions {
  /** The cluster file as it was before any row. */
  readonly base: string;
  /** Where the row's logs go. */
  readonly folder: string;
  readonly seed: number;
  /** Names the code that is tried. */
  readonly code: string;
}

/** Plays one row: the fault, then what is always wanted (scripts once, cluster verified), then a lab that is healthy again. */
export async function play(row: Row, grounds: Grounds, { base, folder, seed, code }: PlayOptions): Promise<Result> {
  await mkdir(folder, { recursive: true });
  const log = join(folder, 'row.log');
  await writeFile(log, '');
  const began = Date.now();
  // Never a setting that an earlier row, or an earlier run of this one, has left.
  const nth = 10 + (Math.floor(began / 1000) % 1_000_000) * 20;
  const scene = new Scene(grounds, { base, nth, random: randomOf(seed), log });
  const before = await scene.revision();
  const since = await mark(grounds.hosts);
  try {
    await scene.within(row.run(scene), (row.limit ?? 12) * 60_000, 'the row comes to its end');
  } catch (error) {
    scene.wants(false, 'a row that comes to its end', error instanceof Error ? error.message : String(error));
  }
  await scene.clear();
  await settled(scene);
  const verified = await scene.farweave('verify');
  scene.wants(verified.exitCode === 0, 'a cluster that is verified', verified.output);
  const counted = await audit(grounds.hosts, since, await scene.rolloutsSince(before));
  await writeFile(join(folder, 'audit.json'), `${JSON.stringify(counted, null, 2)}\n`);
  await keepLogs(grounds, folder);
  await keepHistories(grounds, await scene.rolloutIdsSince(before), folder);
  const { started, twice, missing, unexplained, again, ends } = counted;
  const none = (list: readonly string[], what: string) =>
    scene.wants(list.length === 0, `no script ${what}`, list.join(', '));
  none(twice, 'run twice');
  none(missing, 'of a step that is done and never began');
  none(unexplained, 'that no step explains');
  if (!row.costly) {
    none(again, 'run in a second attempt');
    none(ends, 'that ended otherwise than with 0');
  }
  scene.wants(started > 0, 'scripts that ran', 'none');
  const slowest = Math.max(0, ...scene.progress);
  if (row.promptly !== undefined)
    scene.wants(
      scene.progress.length > 0 && slowest <= row.promptly,
      `first progress within ${row.promptly} s`,
      scene.progress.map((seconds) => seconds.toFixed(1)).join(', '),
    );
  return {
    row: row.name,
    fault: row.fault,
    wanted: row.wanted,
    verdict: !scene.isRight ? 'wrong' : scene.isRun ? 'right' : 'not run',
    notes: scene.notes,
    faults: scene.faults,
    progress: scene.progress.map((seconds) => Math.round(seconds * 10) / 10),
    scripts: { started, twice: twice.length, lost: missing.length + unexplained.length, again: again.length },
    verified: verified.exitCode === 0,
    seconds: Math.round((Date.now() - began) / 1000),
    code,
    at: new Date(began).toISOString(),
  };
}

/** No rollout of the row may be left: a row that broke off may have one that is paused. */
async function settled(scene: Scene): Promise<void> {
  const { exitCode } = await scene.farweave('cancel', '--reason', 'the row is over');
  if (exitCode !== 0) return; // there is none
  await scene.farweave('watch');
}

/** What the server and the worker have said until now, and how the rollout ended. */
async function keepLogs(grounds: Grounds, folder: string): Promise<void> {
  for (const which of ['worker', 'server']) {
    const { output } = await onCluster(grounds, 'dev', 'logs', which, '--lines', '2000');
    await writeFile(join(folder, `${which}.log`), output);
  }
  const { output } = await onCluster(grounds, 'status', '--json');
  await appendFile(join(folder, 'status.json'), output);
}

/** What `test/replay` replays: histories of rollouts to which something has happened. */
async function keepHistories({ client }: Grounds, workflowIds: readonly string[], folder: string): Promise<void> {
  const { workflow } = await client();
  for (const workflowId of workflowIds) {
    const history = await workflow.getHandle(workflowId).fetchHistory();
    writeHistory(join(folder, `history-${workflowId.split(':').at(-1)}.json`), history);
  }
}

/** mulberry32: a row of numbers from 0 to 1 that is the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
