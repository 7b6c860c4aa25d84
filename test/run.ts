import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import * as z from 'zod';
import { duration } from '../src/client/format.ts';

/** All checks and tests, in the order of their cost. Ends with one line: `N passed, N failed`. */
const CHECKS = [
  ['types', 'tsc'],
  ['lint', 'oxlint', '--type-aware', '--quiet'],
  ['format', 'biome', 'check'],
  ['dead code', 'knip'],
] as const;

/** `make test PROJECTS=unit,workflow` runs some of them. */
const PROJECTS = (process.env.PROJECTS ?? 'unit,workflow,lab').split(',');

/** The part of vitest's JSON report that counts. A file that fails to load has no tests, yet has failed. */
const Report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.unknown()) })),
});

/** Milliseconds. Nobody should wonder for longer whether it hangs. */
const QUIET = 1_900;

const root = join(import.meta.dirname, '..');
const reports = await mkdtemp(join(tmpdir(), 'farweave-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };

for (const [name, ...command] of CHECKS) total[(await run(name, command)) === 0 ? 'passed' : 'failed']++;
for (const project of PROJECTS) {
  const file = join(reports, `${project}.json`);
  const exitCode = await run(`${project} tests`, [
    'vitest',
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]);
  await count(file, exitCode);
}
await rm(reports, { recursive: true });

console.log(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exitCode = total.failed === 0 ? 0 : 1;

async function count(file: string, exitCode: number): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) {
    total.failed++; // the set-up failed before a test could
    return;
  }
  const report = Report.parse(JSON.parse(text));
  const broken = report.testResults.filter(
    (result) => result.status === 'failed' && result.assertionResults.length === 0,
  ).length;
  total.passed += report.numPassedTests;
  total.failed += report.numFailedTests + broken;
  total.skipped += report.numPendingTests;
  if (exitCode !== 0 && report.numFailedTests + broken === 0) total.failed++; // an error outside of the tests
}

async function run(name: string, [command, ...args]: readonly string[]): Promise<number> {
  console.log(`\n== ${name}`);
  const path = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`;
  // On a terminal vitest draws what it is at; everything else is silent until it has ended.
  const draws = command === 'vitest' && process.stdout.isTTY;
  const stream = draws ? 'inherit' : 'pipe';
  const child = spawn(command!, args, {
    cwd: root,
    stdio: ['ignore', stream, stream],
    env: { ...process.env, PATH: path },
  });
  const began = Date.now();
  let heard = began;
  for (const pipe of [child.stdout, child.stderr])
    pipe?.on('data', (chunk: Buffer) => {
      heard = Date.now();
      process.stdout.write(chunk);
    });
  const alive = setInterval(() => {
    if (draws || Date.now() - heard < QUIET) return;
    heard = Date.now();
    console.log(`… ${name}, ${duration(heard - began)}`);
  }, 250);
  try {
    return await new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve(code ?? 1)));
  } finally {
    clearInterval(alive);
  }
}
