import { describe, expect, it } from 'vitest';
import { TOY, toys } from '../../test/unit/toy.ts';
import { parseCluster } from '../spec/parse.ts';
import { compilePlan } from './compile.ts';
import { digestOf } from './digest.ts';
import { pack, unpack } from './pack.ts';
import type { Plan } from './plan.ts';

const { cluster } = parseCluster(TOY, { file: 'cluster.yaml', roles: toys });
const plan = compilePlan(cluster, { indexes: {} }, { roles: toys });
const table = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`vm${n}`, { index: n }]));
const withTable: Plan = {
  ...plan,
  stages: plan.stages.map((stage, n) => ({
    ...stage,
    hosts: n === 1 ? ['vm1'] : stage.hosts,
    args: n < 3 ? { table, port: n } : stage.args,
  })),
};

describe('a packed plan', () => {
  it.each([
    ['as it was compiled', plan],
    ['with arguments that stages share', withTable],
    ['without stages', { ...plan, stages: [], segments: [] }],
  ])('is the same plan once it is unpacked: %s', (_, whole) => {
    expect(unpack(pack(whole))).toEqual(whole);
    expect(digestOf(unpack(pack(whole)))).toBe(digestOf(whole));
    expect(pack(unpack(pack(whole)))).toEqual(pack(whole));
  });

  it('says long arguments once, and names hosts only where they are not all', () => {
    const { stages, shared } = pack(withTable);
    expect(shared).toEqual([table]);
    expect(stages.slice(0, 3).map(({ args, same }) => ({ args, same }))).toEqual(
      [0, 1, 2].map((port) => ({ args: { port }, same: { table: 0 } })),
    );
    expect(stages.flatMap(({ id, hosts }) => (hosts ? [[id, hosts]] : []))).toEqual([[plan.stages[1]!.id, ['vm1']]]);
  });

  it('may have been a whole plan all along, such as one of an older release', () => {
    expect(unpack(withTable)).toEqual(withTable);
  });
});
