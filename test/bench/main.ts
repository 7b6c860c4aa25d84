import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apart, FOLDER } from './apart.ts';
import { claims } from './claims.ts';
import { type Figure, ratios, renewed } from './figures.ts';
import { simulated } from './hosts.ts';
import { machine } from './machine.ts';
import { parts } from './parts/index.ts';
import { profiled } from './profile.ts';
import { documented, lines, type Report } from './report.ts';
import { openStand } from './stand.ts';

/**
 * `make bench`: what rollouts cost, next to what others need for the same, on hosts that the bench makes itself.
 * `PART=a,d` runs some parts, `N=10,100` with other numbers of hosts, `RIVALS=no` without the others, or
 * `RIVALS=pyinfra` with some; `PROFILE=1` says
 * where the workers' time goes; `DOC=1` writes the tables into docs/performance.md. build/bench.json holds every figure
 * of the last run of each part.
 */
const root = join(import.meta.dirname, '../..');
const build = join(root, 'build/bench');
const file = join(root, 'build/bench.json');
const page = join(root, 'docs/performance.md');
/** Milliseconds. */
const QUIET = 10_000;
const { PART, N, RIVALS, DOC, PROFILE } = process.env;

if (PART === 'demo') await import('./demo.ts');
else await bench(chosen());

async function bench(letters: readonly string[]): Promise<void> {
  apart();
  const say = saying();
  const hosts = await simulated(join(FOLDER, 'hosts'), say);
  // All else that it leaves is gone with its namespaces.
  process.on('exit', () => hosts.remove());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

  let figures = read()?.figures ?? [];
  const record = (figure: Figure) => {
    figures = renewed(figures, [figure]);
  };
  let versions = 0;
  const version = () => ++versions;
  const sizes = N?.split(',').map(Number);
  for (const letter of letters) {
    const { about, run } = parts[letter]!;
    // A ratio is of one run: nothing is left of an earlier one.
    figures = figures.filter(({ part }) => part !== letter);
    say(`== ${letter}: ${about}`);
    const folder = join(FOLDER, letter);
    mkdirSync(folder, { recursive: true });
    const profiles = PROFILE ? join(build, `${letter}-profiles`) : undefined;
    const stand = await openStand(join(build, letter), say, profiles);
    try {
      await run({ hosts, stand, sizes, rivals: RIVALS, folder, say, record, version });
    } catch (error) {
      // The others are worth having all the same.
      say(`part ${letter} has failed: ${error instanceof Error ? error.stack : String(error)}`);
      process.exitCode = 1;
    }
    const at = new Date().toISOString();
    write({ at, machine: await machine(stand), figures, ratios: ratios(claims, figures) });
    await stand.close();
    if (profiles) for (const line of profiled(profiles, stand.ready)) say(line);
  }
  const report = read()!;
  console.log(`\n${lines(report).join('\n')}`);
  if (DOC) writeFileSync(page, documented(readFileSync(page, 'utf8'), report));
  process.exit();
}

/** Says what happens and when; where nothing is to be said for long, that it is still at it. */
function saying(): (line: string) => void {
  const began = Date.now();
  let last = began;
  const say = (line: string) => {
    last = Date.now();
    console.log(`${String(Math.round((last - began) / 1_000)).padStart(5)} s  ${line}`);
  };
  setInterval(() => Date.now() - last < QUIET || say('  …'), 1_000).unref();
  return say;
}

/** Fails for what there is not, before anything is started. */
function chosen(): readonly string[] {
  const letters = PART ? PART.split(',') : Object.keys(parts);
  const unknown = letters.filter((letter) => !Object.hasOwn(parts, letter));
  const known = `${Object.keys(parts).join(', ')} and demo`;
  if (unknown.length > 0) throw new Error(`PART=${PART}: there is no part ${unknown.join(', ')}; there are ${known}.`);
  if (N?.split(',').some((size) => !/^[1-9]\d{0,3}$/.test(size)))
    throw new Error(`N=${N}: wants numbers of hosts, such as N=10 or N=10,100.`);
  return letters;
}

function read(): Report | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report) : undefined;
}

function write(report: Report): void {
  mkdirSync(build, { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}
