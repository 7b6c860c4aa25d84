import { describe, expect, it, test } from 'vitest';
import { hostAt } from '../../test/applied.ts';
import type { HostSpec } from '../plan/plan.ts';
import { type Placement, placed, placementProblems } from './placement.ts';

const at = (index: number, site: string, labels: HostSpec['labels'] = {}): HostSpec => ({
  ...hostAt(index),
  site,
  labels,
});
const hosts = [
  at(0, 'ams', { disk: 'fast' }),
  at(1, 'ams'),
  at(2, 'fra', { disk: 'fast' }),
  at(3, 'fra'),
  at(4, 'nyc'),
];
const sites = { ams: {}, fra: {}, nyc: {} };
const chosen = (where: Placement, among = hosts) => placed(where, among).map(({ name }) => name);

test.each<[string, Placement, readonly string[]]>([
  ['all hosts where nothing is said', {}, ['vm0', 'vm1', 'vm2', 'vm3', 'vm4']],
  ['hosts by name', { hosts: ['vm3', 'vm0'] }, ['vm0', 'vm3']],
  ['the hosts of sites', { sites: ['fra', 'nyc'] }, ['vm2', 'vm3', 'vm4']],
  ['hosts by a label', { labels: { disk: 'fast' } }, ['vm0', 'vm2']],
  ['what fits everything that is said', { sites: ['fra'], labels: { disk: 'fast' } }, ['vm2']],
  ['one of every site first', { count: 3 }, ['vm0', 'vm2', 'vm4']],
  ['then a second of every site', { count: 4 }, ['vm0', 'vm1', 'vm2', 'vm4']],
  ['so many of those that fit', { count: 1, sites: ['fra', 'nyc'] }, ['vm2']],
])('chooses %s', (_, where, names) => {
  expect(chosen(where)).toEqual(names);
});

describe('of some hosts', () => {
  it('is the same choice in whatever order they stand in the file', () => {
    for (const count of [1, 2, 3, 4]) {
      expect(chosen({ count }, hosts.toReversed()).toSorted()).toEqual(chosen({ count }).toSorted());
    }
  });

  it.each([1, 2, 3, 4])('takes away no other host when one of %i that were chosen goes', (count) => {
    const before = chosen({ count });
    for (const gone of before) {
      const after = chosen(
        { count },
        hosts.filter(({ name }) => name !== gone),
      );
      expect(after).toEqual(expect.arrayContaining(before.filter((name) => name !== gone)));
      expect(after).toHaveLength(count);
    }
  });

  it.each([
    ['at a site that has hosts', 'ams', 5],
    ['at a new site, while there are no more than sites', 'sin', 3],
  ])('stays when a host joins %s', (_, site, most) => {
    for (let count = 1; count <= most; count++) {
      expect(chosen({ count }, [at(9, site), ...hosts])).toEqual(chosen({ count }));
    }
  });

  it('takes a new site in where one has two: the spread is better', () => {
    expect(chosen({ count: 4 }, [...hosts, at(9, 'sin')])).toEqual(['vm0', 'vm2', 'vm4', 'vm9']);
  });
});

test.each<[string, Placement, string, string]>([
  ['a host that there is not', { hosts: ['vm0', 'wm1'] }, 'web.hosts.1', 'unknown host "wm1"; did you mean "vm1"?'],
  ['a host like none', { hosts: ['printer'] }, 'web.hosts.0', 'unknown host "printer"; there are vm0, vm1, vm2'],
  ['a site that there is not', { sites: ['fre'] }, 'web.sites.0', 'unknown site "fre"; did you mean "fra"?'],
  [
    'a label that nobody has',
    { labels: { disc: 'fast' } },
    'web.labels.disc',
    'no host has a label "disc"; did you mean "disk"?',
  ],
  [
    'a value that nobody has',
    { labels: { disk: 'slow' } },
    'web.labels.disk',
    'no host has disk: slow; there are fast',
  ],
  [
    'wishes that nobody fulfils together',
    { sites: ['nyc'], labels: { disk: 'fast' } },
    'web',
    'is for no host: none is in all of sites: nyc (vm4); disk: fast (vm0, vm2)',
  ],
  ['more hosts than fit', { sites: ['fra'], count: 3 }, 'web.count', 'wants 3 hosts, and there are 2: vm2, vm3'],
])('says of %s what is wrong, and where', (_, where, path, message) => {
  const problems = placementProblems(where, { hosts, sites }, ['web']);
  expect(problems.map((problem) => problem.path.join('.'))).toEqual([path]);
  expect(problems[0]?.message.slice(0, message.length)).toBe(message);
});

it('has nothing to say where all is well', () => {
  expect(placementProblems({ sites: ['fra'], count: 2 }, { hosts, sites }, [])).toEqual([]);
});
