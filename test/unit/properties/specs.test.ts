import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePlan } from '../../../src/plan/compile.ts';
import { digestOf } from '../../../src/plan/digest.ts';
import { pack, unpack } from '../../../src/plan/pack.ts';
import { type Plan, withdrawn } from '../../../src/plan/plan.ts';
import { printPlan } from '../../../src/plan/print.ts';
import { roles } from '../../../src/roles/index.ts';
import { readCluster } from '../../../src/spec/file.ts';
import { parseCluster } from '../../../src/spec/parse.ts';
import { SpecError } from '../../../src/spec/problem.ts';
import { runs } from '../../properties/hostile.ts';
import { mutated, VALID } from '../../properties/mutations.ts';

/** Milliseconds of work for one file, whatever else the machine does. Most take three. */
const BOUND = 8_000;

const known = new Set([
  ...roles.flatMap(({ operations }) => operations.map(({ name }) => name)),
  'host.others',
  'host.released',
]);

interface Tried {
  readonly plan?: Plan;
  /** What is not as it should be with how the text was taken. */
  readonly flaws: readonly string[];
}

/** A plan, or a SpecError that says where: whatever else is thrown is a fault. */
function tried(text: string): Tried {
  const began = process.threadCpuUsage();
  const flaws = () => [
    ...(process.threadCpuUsage(began).user / 1000 > BOUND ? ['it took too long'] : []),
    ...('polluted' in {} ? ['every object has something new'] : []),
  ];
  try {
    const plan = compilePlan(parseCluster(text, { file: 'cluster.yaml' }).cluster, { indexes: {} });
    return { plan, flaws: flaws() };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return { flaws: [...flaws(), ...flawsOf(error, text)] };
  }
}

function flawsOf({ problems }: SpecError, text: string): readonly string[] {
  const lines = text.split('\n').length;
  const astray = problems.filter(
    ({ file, line, column, message }) =>
      file !== 'cluster.yaml' || line < 1 || line > lines || column < 1 || message === '',
  );
  return [
    ...(problems.some(({ severity }) => severity === 'error') ? [] : ['nothing is wrong']),
    ...(problems.length > 101 ? ['nobody reads so much'] : []),
    ...astray.map((problem) => `nowhere: ${JSON.stringify(problem)}`),
  ];
}

/** What holds for every plan. */
function holds(plan: Plan, text: string): void {
  expect(digestOf(tried(text).plan!)).toBe(digestOf(plan));
  const travelled = JSON.parse(JSON.stringify(pack(plan))) as ReturnType<typeof pack>;
  expect(unpack(travelled)).toEqual(plan);
  expect(digestOf(unpack(travelled))).toBe(digestOf(plan));
  const names = plan.hosts.map(({ name }) => name);
  const ids = plan.stages.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  // Preflights are asked by the survey, before any segment.
  const run = plan.stages.flatMap(({ id, kind }) => (kind === 'preflight' ? [] : [id]));
  expect(plan.segments.flatMap(({ stages }) => stages)).toEqual(run);
  for (const { operation, hosts, secrets } of plan.stages) {
    expect(known.has(withdrawn(operation) ?? operation)).toBe(true);
    expect(names).toEqual(expect.arrayContaining([...hosts]));
    expect(Object.keys(plan.secrets)).toEqual(expect.arrayContaining([...secrets]));
  }
  expect(printPlan(plan).length).toBeGreaterThan(0);
}

test('10,000 mutated files give a plan, or say what is wrong with them and where', { timeout: 600_000 }, () => {
  let plans = 0;
  fc.assert(
    fc.property(mutated(), (text) => {
      const { plan, flaws } = tried(text);
      expect(flaws).toEqual([]);
      if (!plan) return;
      plans += 1;
      // What holds is dear to look at, and what one mutation left right another one did too.
      if (plans % 10 === 1) holds(plan, text);
    }),
    { numRuns: runs(10_000) },
  );
  // Mutations that nothing survives would prove nothing of plans.
  expect(plans).toBeGreaterThan(runs(500));
});

/** Texts that were made to keep somebody busy: what takes the square of its length would take minutes. */
test.each([
  ['the letters of one line', `a: "${'y'.repeat(1_000_000)}"`],
  ['the letters of one key', `${'y'.repeat(1_000_000)}: 1`],
  ['keys', Array.from({ length: 30_000 }, (_, n) => `k${n}: 1\n`).join('')],
  ['keys that are all the same', 'k: 1\n'.repeat(40_000)],
  ['wrong hosts', `hosts:\n${'- {}\n'.repeat(15_000)}`],
  ['open brackets', '['.repeat(300_000)],
  ['open braces', '{a: '.repeat(60_000)],
  ['lists in lists', `${'- '.repeat(100_000)}x`],
  ['quotation marks', '"'.repeat(60_000)],
  ['aliases', '*a '.repeat(60_000)],
  ['question marks', '? '.repeat(60_000)],
  ['documents', '---\n'.repeat(200_000)],
  ['line breaks', '\n'.repeat(300_000)],
])('%s without end are refused in bounded time', { timeout: 120_000 }, (_, text) => {
  expect(tried(text)).toEqual({ flaws: [] });
});

test.each(VALID.map((text) => [text.split('\n').find((line) => line.startsWith('  name:')), text]))(
  'the plan of%s is the same however often it is made, and comes back from its travels',
  (_, text) => {
    const { plan } = tried(text);
    expect(() => holds(plan!, text)).not.toThrow();
  },
);

test('any bytes in a file give a plan, or say what is wrong with them and where', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'farweave-bytes-'));
  const path = join(folder, 'cluster.yaml');
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.constantFrom(...VALID), fc.nat(), fc.uint8Array({ maxLength: 5 })).map(([text, at, more]) => {
      const whole = Buffer.from(text);
      return Buffer.concat([whole.subarray(0, at % whole.length), more, whole.subarray(at % whole.length)]);
    }),
  );
  try {
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => {
        writeFileSync(path, content);
        const taken = await readCluster(path).then(
          () => true,
          (error: unknown) => error instanceof SpecError,
        );
        expect(taken).toBe(true);
      }),
      { numRuns: runs(300) },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
