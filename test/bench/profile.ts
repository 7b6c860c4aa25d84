import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** What `node --cpu-prof` writes, as far as it is used here. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  /** Microseconds of the machine's own clock. */
  readonly startTime: number;
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** How many of each are told. */
const TOLD = 12;

/**
 * Where the time of all profiles in a folder went: by packages and folders of ours, then by functions. What lies before
 * a worker was ready is its start, which no rollout pays for.
 */
export function profiled(folder: string, ready: ReadonlyMap<number, number>): readonly string[] {
  const files = globSync(join(folder, '*.cpuprofile'));
  const [places, functions] = [new Map<string, number>(), new Map<string, number>()];
  const add = (to: Map<string, number>, name: string, time: number) => to.set(name, (to.get(name) ?? 0) + time);
  for (const file of files) {
    const { nodes, startTime, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile;
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
    const since = ready.get(pidOf(file)) ?? 0;
    let now = startTime;
    for (const [n, id] of samples.entries()) {
      const took = timeDeltas[n] ?? 0;
      now += took;
      const { functionName = '', url = '' } = frames.get(id) ?? {};
      if (now < since || functionName === '(idle)') continue;
      const place = placeOf(functionName, url);
      add(places, place, took);
      add(functions, `${functionName || '(anonymous)'} in ${place}`, took);
    }
  }
  const most = (of: ReadonlyMap<string, number>) =>
    [...of]
      .toSorted(([, one], [, other]) => other - one)
      .slice(0, TOLD)
      .map(([name, took]) => `  ${(took / 1_000_000).toFixed(2).padStart(8)} s  ${name}`);
  return [`${files.length} profiles in ${folder}, in seconds of their own:`, ...most(places), '', ...most(functions)];
}

/** CPU.<date>.<time>.<pid>.<thread>.<number>.cpuprofile */
const pidOf = (file: string): number => Number(basename(file).split('.')[3]);

/** A package, a folder of ours, or what the engine itself does. */
function placeOf(functionName: string, url: string): string {
  const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  const [, own] = /\/(src\/[^/]+)/.exec(url) ?? [];
  return name ?? own ?? (url.startsWith('node:') ? 'node' : url === '' ? functionName || '(native)' : url);
}
