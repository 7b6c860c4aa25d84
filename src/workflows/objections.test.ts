import { expect, it } from 'vitest';
import { objection, type Situation } from './objections.ts';

const rolling: Situation = {
  state: 'rolling',
  stuck: false,
  asks: false,
  hosts: ['vm0', 'vm1', 'vm2'],
  out: new Set(),
  skipped: new Set(),
  failed: new Map(),
  touched: new Set(['vm0']),
  wave: [],
};
const stuck: Situation = {
  ...rolling,
  state: 'paused',
  stuck: true,
  failed: new Map([['vm1', ['05-db.start', 'db.start']]]),
};
const parked: Situation = { ...rolling, out: new Set(['vm2']) };
const skipped: Situation = { ...parked, skipped: new Set(['vm2']) };

it.each([
  ['pause', {}, rolling],
  ['pause', undefined, rolling],
  ['resume', {}, { ...rolling, state: 'paused', paused: {} }],
  ['resume', {}, stuck],
  ['approve', {}, { ...rolling, state: 'paused', asks: true }],
  ['retry', { host: 'vm1' }, stuck],
  ['retry', { host: 'vm1', step: 'db.start' }, stuck],
  ['retry', { host: 'vm1', step: '05-db.start' }, stuck],
  ['retry', { host: 'vm2' }, parked],
  ['skip', { host: 'vm1' }, stuck],
  ['skip', { host: 'vm2' }, parked],
  ['batch', { size: 1 }, rolling],
  ['cancel', {}, stuck],
  ['cancel', { undo: true }, rolling],
  ['rollback', {}, rolling],
  ['rollback', { hosts: ['vm0'] }, stuck],
  ['rollback', { wave: true }, { ...rolling, wave: ['vm0'] }],
] as const)('nothing speaks against %s %o where it makes sense', (control, request, situation) => {
  expect(objection(control, request, situation)).toBeUndefined();
});

it.each([
  ['pause', {}, stuck, 'it has stopped on a failure, and nothing new begins anyway'],
  ['pause', {}, { ...rolling, paused: { by: 'ada' } }, 'it is paused already, by ada'],
  ['resume', {}, rolling, 'it is not paused'],
  ['resume', {}, { ...rolling, asks: true }, 'it is not paused, it waits for an approval: approve it'],
  ['approve', {}, rolling, 'it waits for no approval'],
  ['retry', {}, stuck, 'it wants a host: vm0, vm1, vm2'],
  ['retry', { host: 'vm9' }, stuck, 'there is no host "vm9": vm0, vm1, vm2'],
  ['retry', { host: 'vm0' }, stuck, 'nothing has failed on vm0, and it is not left out'],
  ['retry', { host: 'vm1', step: 'db.stop' }, stuck, 'db.stop has not failed on vm1; 05-db.start has'],
  ['skip', { host: 'vm9' }, rolling, 'there is no host "vm9": vm0, vm1, vm2'],
  ['skip', { host: 'vm2' }, skipped, 'vm2 is left out already'],
  [
    'skip',
    { host: 'vm0' },
    { ...rolling, out: new Set(['vm1', 'vm2']) },
    'no host would be left without vm0: cancel the rollout instead',
  ],
  ['batch', { size: 0 }, rolling, 'a batch of 0 hosts makes no sense: it takes a whole number, 1 at least'],
  ['batch', { size: 1.5 }, rolling, 'a batch of 1.5 hosts makes no sense: it takes a whole number, 1 at least'],
  ['batch', {}, rolling, 'a batch of undefined hosts makes no sense: it takes a whole number, 1 at least'],
  ['cancel', { undo: 'yes' }, rolling, 'undo is true or false: whether to take back'],
  ['rollback', { hosts: [] }, rolling, 'hosts is a list of names'],
  ['rollback', { hosts: ['vm0', 'vm1'] }, rolling, 'this rollout has changed nothing on vm1'],
  ['rollback', { host: 'vm0' }, rolling, 'rollback knows no host: hosts is a list of names, wave is true'],
  ['rollback', { wave: 'true' }, rolling, 'wave is true or false'],
  ['skip', { host: 'vm1' }, { ...rolling, ending: true }, 'it is about to end'],
  ['rollback', { wave: true }, rolling, 'no wave is under way: roll back hosts by their names, or all'],
  [
    'pause',
    {},
    { ...rolling, state: 'undoing' },
    'what it changed is being taken back, and that is brought to its end',
  ],
  ['cancel', {}, { ...rolling, state: 'done' }, 'it has ended already: done'],
  [
    'skip',
    'vm1',
    rolling,
    'skip takes one object, such as {"by": "you", "host": "vm1", "reason": "its disk is being replaced"}',
  ],
] as const)('%s %o is refused where it makes none', (control, request, situation, why) => {
  expect(objection(control, request, situation)).toBe(why);
});
