import { expect, it } from 'vitest';
import { backupLines } from '../../src/client/backup-lines.ts';
import { foundIn, madeBy } from '../../src/plan/backups.ts';
import type { Stage } from '../../src/plan/plan.ts';

const kept = {
  at: '2026-11-25T14:30:20Z',
  locked: 1,
  bytes: 12_345_678,
  sha256: 'a'.repeat(64),
  version: '8.0.17',
  until: '2026-11-25T14:30:04.000Z',
  documents: 1,
};
const [early, late] = ['20261125-143005', '20261126-020000'];
const fact = (id: string, value: unknown) => ({ [`backup.${id}`]: JSON.stringify(value) });

it('finds the backups that hosts tell of, the oldest first', () => {
  const found = foundIn({
    vm1: { '03-kept': { is: 'yes', facts: { ...fact(late, kept), ...fact(early, kept), 'host.key': 'SHA256:x' } } },
    vm0: { '03-kept': { is: 'no', now: '', wanted: '', facts: fact(early, null) } },
  });
  expect(found).toEqual([
    { id: early, host: 'vm0' },
    { id: early, host: 'vm1', kept },
    { id: late, host: 'vm1', kept },
  ]);
});

it('tells a backup that has come about from older ones and from one that is damaged', () => {
  const plan = { stages: [{ args: { id: late } }, { args: { keep: 7 } }] as unknown as readonly Stage[] };
  const value = JSON.stringify(kept);
  const facts = { [`backup.${early}`]: { vm0: value }, [`backup.${late}`]: { vm1: value, vm2: 'null' } };
  expect(madeBy(plan, facts)).toEqual([{ id: late, host: 'vm1', kept }]);
});

it('shows a backup in a line', () => {
  const hosts = [
    { name: 'vm0', site: 'ams' },
    { name: 'vm1', site: 'frankfurt' },
  ];
  const version = 'no\u001b[31mt red';
  expect(
    backupLines(
      [
        { id: early, host: 'vm0', kept },
        { id: late, host: 'vm1', kept: { ...kept, documents: 2, version } },
        { id: late, host: 'vm0' },
      ],
      hosts,
    ),
  ).toEqual([
    `${early}  vm0  ams        12.3 MB  1 document   MongoDB 8.0.17   up to 2026-11-25T14:30:04.000Z`,
    `${late}  vm1  frankfurt  12.3 MB  2 documents  MongoDB not red  up to 2026-11-25T14:30:04.000Z`,
    `${late}  vm0  ams                                               damaged: what lies beside it cannot be read`,
  ]);
});
