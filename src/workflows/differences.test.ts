import { describe, expect, it } from 'vitest';
import type { Stage } from '../plan/plan.ts';
import { type Found, foundOn, news, summaryOf, unanswered, weighed } from './differences.ts';

const stage = (operation: string, more: object = {}): Stage =>
  ({ id: `01-${operation}`, operation, kind: 'change', scope: 'host', ...more }) as Stage;
const found = (host: string, operation: string, more: object = {}, is: Found['is'] = 'no'): Found => ({
  host,
  is,
  now: 'absent',
  wanted: 'there',
  stage: { id: `01-${operation}`, operation, kind: 'change', one: false, ...more },
});
const down: Found = unanswered({ host: 'vm2', type: 'Unreachable', message: 'vm2: no route', hint: 'is it up?' });
const hosts = ['vm1', 'vm2', 'vm3'];

/** host, operation and who acts. */
const actors = (all: readonly Found[], settled: readonly string[] = [], parked = {}) =>
  weighed(hosts, all, new Set(settled), parked).map(
    ({ host, operation, act, repairable }) => `${host} ${operation ?? '-'} ${act}${repairable ? ' repairable' : ''}`,
  );

describe('who acts on a difference', () => {
  const check = { kind: 'check' };
  const parked = (type: string, more: object = {}) => ({
    vm2: { type, message: 'm', since: '', revision: 1, ...more },
  });
  it.each<[string, string[], string[]]>([
    ['an operator, where a change is gone', actors([found('vm1', 'a.b')]), ['vm1 a.b operator repairable']],
    ['a person, where a host does not answer', actors([down]), ['vm2 - person']],
    [
      'a person, where no rollout would begin',
      actors([found('vm1', 'a.b', { kind: 'preflight' })]),
      ['vm1 a.b person'],
    ],
    ['a person, where a check fails and nothing else', actors([found('vm1', 'a.b', check)]), ['vm1 a.b person']],
    [
      'nobody, where a check may fail for what else differs',
      actors([found('vm3', 'a.b', check), found('vm1', 'c.d')]),
      ['vm1 c.d operator repairable', 'vm3 a.b nobody'],
    ],
    [
      'nobody, where it may fail for a host that is away',
      actors([found('vm1', 'a.b', check), down]),
      ['vm1 a.b nobody', 'vm2 - person'],
    ],
    ['a person, where nobody can tell', actors([found('vm1', 'a.b', {}, 'unknown')]), ['vm1 a.b person']],
    [
      'nobody, where that may be for what else differs there',
      actors([found('vm1', 'a.b'), found('vm1', 'c.d', {}, 'unknown'), found('vm3', 'c.d', {}, 'unknown')]),
      ['vm1 a.b operator repairable', 'vm1 c.d nobody', 'vm3 c.d person'],
    ],
    ['nobody, where a parked host is waited for', actors([], [], parked('Unreachable')), ['vm2 - nobody']],
    ['nobody, where somebody has left a host out', actors([], [], parked('Skipped')), ['vm2 - nobody']],
    ['a person, where a key is in question', actors([], [], parked('HostKeyChanged')), ['vm2 - person']],
    [
      'nobody, where the key was accepted',
      actors([], [], parked('HostKeyChanged', { acceptedKey: 'SHA256:x' })),
      ['vm2 - nobody'],
    ],
    ['a person, where a host was parked on a failure', actors([], [], parked('CommandFailed')), ['vm2 - person']],
    [
      'once, where one host does for all what none has',
      actors([found('vm1', 'a.b', { one: true }), found('vm3', 'a.b', { one: true })]),
      ['vm1 a.b operator repairable'],
    ],
    ['none, where another host has it', actors([found('vm1', 'a.b', { one: true })], ['01-a.b']), []],
  ])('is %s', (_, told, wanted) => expect(told).toEqual(wanted));

  it('is told what cannot be taken back', () => {
    const [only] = weighed(hosts, [found('vm1', 'a.b', { irreversible: 'it may hold data' })], new Set());
    expect(only!.todo).toBe('farweave drift --repair, which cannot be taken back: it may hold data');
  });
});

describe('what a host has said', () => {
  const known = { facts: { 'net.key': { vm1: 'old' } }, needed: new Set(['net.key']) };
  const look = (answer: object, more: object = {}) => {
    const settled = new Set<string>();
    const all = foundOn('vm1', [stage('net.createKey', more)], [answer as never], { ...known, settled });
    return [all.map(({ is, now }) => `${is}: ${now}`), [...settled]];
  };
  it.each<[string, unknown, unknown]>([
    ['nothing, where all is well', look({ is: 'yes' }), [[], []]],
    ['what is', look({ is: 'no', now: 'gone', wanted: 'there' }), [['no: gone'], []]],
    ['nothing, where time has passed', look({ is: 'no', now: 'old', wanted: 'new', fades: true }), [[], []]],
    ['why it cannot be told', look({ is: 'unknown', why: 'no docker' }), [['unknown: no docker'], []]],
    [
      'a fact that others would not know',
      look({ is: 'yes', facts: { 'net.key': 'new' } }),
      [['no: another net.key'], []],
    ],
    ['nothing, for a fact that they know', look({ is: 'yes', facts: { 'net.key': 'old' } }), [[], []]],
    ['nothing, for a fact that nobody needs', look({ is: 'yes', facts: { 'db.role': 'new' } }), [[], []]],
    ['that it has done it for all', look({ is: 'yes' }, { scope: 'cluster', on: 'one' }), [[], ['01-net.createKey']]],
  ])('is told as %s', (_, told, wanted) => expect(told).toEqual(wanted));
});

describe('an event', () => {
  const drift = (...all: readonly Found[]) => summaryOf(weighed(hosts, all, new Set()), 3, 'now');
  const clean = drift();
  const one = drift(found('vm1', 'a.b'));
  it.each<[string, string | undefined, string | undefined]>([
    ['none, where nothing differs and nothing did', news(undefined, clean), undefined],
    ['what differs, the first time', news(undefined, one), 'drift: vm1 a.b'],
    ['what differs, where nothing did', news(clean, one), 'drift: vm1 a.b'],
    ['none, where the same differs', news(one, drift(found('vm1', 'a.b'))), undefined],
    ['none, where it is worded otherwise', news(one, drift({ ...found('vm1', 'a.b'), now: 'process 7' })), undefined],
    ['what differs now', news(one, drift(found('vm1', 'a.b'), down)), 'drift has changed: vm1 a.b; vm2 Unreachable'],
    ['that it is gone', news(one, clean), 'no drift any more: as revision 3 made it'],
  ])('is %s', (_, told, wanted) => expect(told).toBe(wanted));

  it('is remembered within bounds, however much differs', () => {
    const many = Array.from({ length: 300 }, (_, n) => `vm${n}`);
    const all = many.flatMap((host) => Array.from({ length: 9 }, (_, n) => found(host, `a.${'b'.repeat(40)}${n}`)));
    const summary = summaryOf(weighed(many, all, new Set()), 3, 'now');
    expect(summary).toMatchObject({ differences: 2700, repairable: 2700, more: 280 });
    expect(summary.hosts['vm0']).toHaveLength(5);
    expect(JSON.stringify(summary).length).toBeLessThan(12_000);
  });
});
