import './lab-name.ts'; // before the lab
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Machine, machineWith } from '../documented.ts';
import { run } from '../lab/farweave.ts';
import { bringUp, type OwnGrounds, rebuilt, takeDown } from './own-lab.ts';
import { play } from './play.ts';
import { documented, lines, type Report } from './report.ts';
import type { Result, Row } from './row.ts';
import { chosen, rows } from './rows.ts';

/**
 * `make chaos`: faults on real hosts, row by row. What is right for this code already is kept, so that a matrix that was
 * stopped goes on where it stood. `ROW=name` or `ROWS=a,b` (names or tags) runs some; `FRESH=1` begins anew; `SEED=n` kills
 * at other moments; `DOC=1` writes what has been run into docs/reliability.md.
 */
const root = join(import.meta.dirname, '../..');
const build = join(root, 'build/chaos');
const file = join(root, 'build/chaos.json');
const page = join(root, 'docs/reliability.md');

const { ROW, ROWS, FRESH, DOC, DOWN } = process.env;
const seed = Number(process.env.SEED ?? 1);
const code = await codeName();
const before = FRESH ? undefined : await readReport();

if (DOWN) await takeDown();
else if (DOC && before && !ROW && !ROWS) await document(before);
else process.exitCode = (await matrix(chosen((ROW ?? ROWS ?? '').split(',').filter(Boolean)))) ? 0 : 1;

/** Plays the rows; says whether all of them are right. */
async function matrix(wanted: readonly Row[]): Promise<boolean> {
  const results = new Map((before?.results ?? []).map((result) => [result.row, result]));
  const isNamed = wanted.length < rows.length;
  const isKept = ({ name }: Row) =>
    !isNamed && results.get(name)?.verdict === 'right' && results.get(name)?.code === code;
  let grounds: OwnGrounds | undefined;
  for (const row of wanted) {
    if (isKept(row)) {
      console.log(`== ${row.name}: right already`);
      continue;
    }
    console.log(`== ${row.name}: ${row.fault}`);
    grounds = row.fresh ? await rebuilt() : (grounds ?? (await bringUp()));
    const result = await play(row, grounds, { base: grounds.base, folder: join(build, row.name), seed, code });
    results.set(row.name, result);
    console.log(lines([result]).join('\n'));
    await write({ machine: await machineOf(grounds), seed, results: inOrder(results) });
  }
  const all = inOrder(results).filter(({ row }) => wanted.some(({ name }) => name === row));
  console.log(`\n${lines(all).join('\n')}`);
  if (DOC) await document(await readReport());
  const isRight = all.length === wanted.length && all.every(({ verdict }) => verdict === 'right');
  const counts = Map.groupBy(all, ({ verdict }) => verdict);
  console.log(`\n${[...counts].map(([verdict, some]) => `${some.length} ${verdict}`).join(', ')}`);
  // Otherwise it stays up for a look, and for the rows that are to be run again.
  if (isRight && !isNamed) await takeDown();
  return isRight;
}

function inOrder(results: ReadonlyMap<string, Result>): readonly Result[] {
  return rows.flatMap(({ name }) => results.get(name) ?? []);
}

async function readReport(): Promise<Report | undefined> {
  return existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as Report) : undefined;
}

async function write(report: Report): Promise<void> {
  await mkdir(build, { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
}

async function document(report: Report | undefined): Promise<void> {
  if (report) await writeFile(page, documented(await readFile(page, 'utf8'), report));
}

/** The commit; with a digest behind it where files differ from it. */
async function codeName(): Promise<string> {
  const git = async (...args: readonly string[]) => (await run('git', args)).output;
  const [commit, changes] = await Promise.all([
    git('rev-parse', '--short=12', 'HEAD'),
    git('diff', 'HEAD', '--', 'src', 'test/chaos'),
  ]);
  const digest = createHash('sha256').update(changes).digest('hex').slice(0, 8);
  return changes === '' ? commit.trim() : `${commit.trim()}+${digest}`;
}

async function machineOf({ lab, client }: OwnGrounds): Promise<Machine> {
  const { serverVersion } = await (await client()).workflowService.getSystemInfo({});
  return machineWith({
    Node: process.versions.node,
    Temporal: serverVersion ?? 'of an unknown version',
    Debian: [...new Set(lab.hosts.map(({ release }) => release))].join(' and '),
    ...Object.fromEntries(Object.entries(lab.images).map(([name, image]) => [name, image.split(':').at(-1) ?? ''])),
  });
}
