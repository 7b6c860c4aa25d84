import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import * as z from 'zod';

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

const root = join(import.meta.dirname, '..');
const reports = await mkdtemp(join(tmpdir(), 'farweave-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };

for (const [name, ...command] of CHECKS) {
  console.log(`\n== ${name}`);
  total[(await run(command)) === 0 ? 'passed' : 'failed']++;
}
for (const project of PROJECTS) {
  console.log(`\n== ${project} tests`);
  const file = join(reports, `${project}.json`);
  const exitCode = await run([
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

function run([command, ...args]: readonly string[]): Promise<number> {
  const path = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`;
  const child = spawn(command!, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: path },
  });
  return new Promise((resolve, reject) => child.on('error', reject).on('exit', (code) => resolve(code ?? 1)));
}
