import { expect, it } from 'vitest';
import { driftLines, driftRows } from '../../src/client/drift-report.ts';
import type { Difference, DriftResult } from '../../src/workflows/contract.ts';
import { farweave } from './cli-io.ts';

const PLAIN = { color: false, unicode: true };
const differs = (host: string, act: Difference['act'], more: Partial<Difference> = {}): Difference => ({
  host,
  operation: 'docker.configure',
  now: 'another configuration',
  wanted: 'a Docker that runs with the configuration of the spec',
  act,
  todo: act === 'operator' ? 'farweave drift --repair' : 'see what is wrong with it',
  repairable: act === 'operator',
  ...more,
});
const result = (differences: readonly Difference[], more: Partial<DriftResult> = {}): DriftResult => ({
  cluster: 'demo',
  revision: 3,
  digest: 'd3',
  asked: 3,
  differences,
  clean: differences.every(({ act }) => act === 'nobody'),
  ...more,
});

it('tells of drift host by host, and who is to do what about it', () => {
  const unreachable = { operation: undefined, now: 'Unreachable: \u001b[2Jno route', wanted: 'an answer' };
  const all = [differs('vm0', 'operator'), differs('vm1', 'operator'), differs('vm2', 'person', unreachable as never)];
  expect(driftLines(result(all), PLAIN, 'farweave -f x.yaml').join('\n')).toBe(`\
HOST  STEP              IS                     WANTED                                            WHO ACTS
vm0   docker.configure  another configuration  a Docker that runs with the configuration of th…  operator
vm1   docker.configure  another configuration  a Docker that runs with the configuration of th…  operator
vm2   -                 Unreachable: no route  an answer                                         person

operator  farweave -f x.yaml drift --repair  (vm0, vm1)
person    see what is wrong with it  (vm2)

3 differences on 3 hosts, measured by revision 3; a repair mends 2.`);
});

it('says that nothing differs, and what comes by itself', () => {
  expect(driftLines(result([]), PLAIN)).toEqual(['No drift: 3 hosts as revision 3 made them.']);
  const lines = driftLines(result([differs('vm0', 'nobody')]), PLAIN);
  expect(lines.at(-1)).toBe('No drift that anybody has to act on: 3 hosts asked, measured by revision 3.');
});

it('stands in the status of the cluster', () => {
  const drift = { at: '2026-11-24T12:00:00Z', revision: 3, clean: false, differences: 2, repairable: 1 };
  const [first, second, third] = driftRows({ drift: { ...drift, hosts: { vm1: ['a.b: absent'] }, more: 2 } }, PLAIN);
  expect(first).toEqual(['Drift', expect.stringMatching(/^2 differences, looked at .*; a repair mends 1$/)]);
  expect([second, third]).toEqual([
    ['', 'vm1 a.b: absent'],
    ['', 'and 2 more hosts'],
  ]);
  expect(driftRows({}, PLAIN)).toEqual([]);
});

it.each([
  [['drift', '--yes'], '--yes goes with --repair.'],
  [['drift', '--reason', 'why'], '--reason goes with --repair.'],
  [['drift', 'schedule', '30s'], 'Wants an interval such as 15m'],
  [['drift', 'schedule', 'often'], 'Wants an interval such as 15m'],
  [['drift', 'schedul'], "unknown command 'schedul'"],
])('%j is refused before anything is asked', async (argv, why) => {
  const { exitCode, err } = await farweave(argv, { cwd: '/nowhere' });
  expect(exitCode).toBe(2);
  expect(err).toContain(why);
});
