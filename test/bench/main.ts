import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2/package.json' with { type: 'json' };
import { apart, FOLDER } from './apart.ts';
import { claims } from './claims.ts';
import { type Figure, ratios, renewed } from './figures.ts';
import { simulated } from './hosts.ts';
import { parts } from './parts/index.ts';
import { program } from './program.ts';
import { documented, lines, type Machine, type Report } from './report.ts';
import { PINS } from './rivals/index.ts';
import { openStand, type Stand } from './stand.ts';

/**
 * `make bench`: what rollouts cost, next to what others need for the same, on hosts that the bench makes itself.
 * `PART=a,d` runs some parts, `N=10,100` with other numbers of hosts, `RIVALS=no` without the others; `DOC=1` writes the
 * tables into docs/performance.md. build/bench.json holds every figure; parts that are run again replace their own.
 */
const root = join(import.meta.dirname, '../..');
const file = join(root, 'build/bench.json');
const page = join(root, 'docs/performance.md');
const { PART, N, RIVALS, DOC } = process.env;

if (PART === 'demo') await import('./demo.ts');
else await bench(chosen());

async function bench(letters: readonly string[]): Promise<void> {
  apart();
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report) : undefined;
  const began = Date.now();
  const say = (line: string) =>
    console.log(`${String(Math.round((Date.now() - began) / 1_000)).padStart(5)} s  ${line}`);
  const figures: Figure[] = [];
  const hosts = await simulated(join(FOLDER, 'hosts'), say);
  // What this program leaves is gone with its namespaces, but for this.
  process.on('exit', hosts.remove);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  let count = Math.floor(Date.now() / 1_000);
  for (const letter of letters) {
    const part = parts[letter]!;
    say(`== ${letter}: ${part.about}`);
    const folder = join(FOLDER, letter);
    mkdirSync(folder, { recursive: true });
    const stand = await openStand(join(root, 'build/bench', letter), say);
    const record = (figure: Figure) => void figures.push(figure);
    const sizes = N?.split(',').map(Number);
    const version = () => count++;
    await part.run({ hosts, stand, sizes, withRivals: RIVALS !== 'no', folder, say, record, version });
    const all = renewed(before?.figures ?? [], figures.filter(isLast));
    write({ at: new Date().toISOString(), machine: await machine(stand), figures: all, ratios: ratios(claims, all) });
    await stand.close();
  }
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
  console.log(`\n${lines(report).join('\n')}`);
  if (DOC) writeFileSync(page, documented(readFileSync(page, 'utf8'), report));
  process.exit();
}

/** A figure is told again with each of its runs. */
function isLast(figure: Figure, n: number, all: readonly Figure[]): boolean {
  const isSame = (other: Figure) =>
    (['part', 'subject', 'work', 'hosts'] as const).every((key) => other[key] === figure[key]);
  return !all.slice(n + 1).some(isSame);
}

function chosen(): readonly string[] {
  const letters = PART ? PART.split(',') : Object.keys(parts);
  const unknown = letters.filter((letter) => !parts[letter]);
  const isOdd = (size: string) => !/^[1-9]\d{0,3}$/.test(size);
  if (unknown.length > 0)
    throw new Error(
      `PART=${PART}: there is no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')} and demo.`,
    );
  if (N?.split(',').some(isOdd)) throw new Error(`N=${N}: wants numbers of hosts, such as N=10 or N=10,100.`);
  return letters;
}

function write(report: Report): void {
  mkdirSync(join(root, 'build'), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}

async function machine({ farweave }: Stand): Promise<Machine> {
  const { serverVersion } = await farweave.client.workflowService.getSystemInfo({});
  const openssh = await program('sh', ['-c', 'ssh -V 2>&1']);
  return {
    processor: cpus()[0]?.model.trim() ?? 'an unknown processor',
    cores: cpus().length,
    memory: Math.round(totalmem() / 2 ** 30),
    versions: {
      Node: process.versions.node,
      Temporal: serverVersion ?? 'of an unknown version',
      OpenSSH: /OpenSSH_(\S+?),?\s/.exec(openssh)?.[1] ?? openssh,
      ssh2: ssh2.version,
      ...PINS,
    },
  };
}
