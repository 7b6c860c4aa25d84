import * as z from 'zod';
import { no, operation, unknown, yes } from '../operation.ts';
import { judging, MOST_VOTERS, names, Port, placeOf, ReplicaSet, SET } from './health.ts';
import { shellOf } from './member.ts';
import { CHANGING, HELD, within } from './script.ts';
import { LAG, looking } from './shell.ts';

/** Seconds. */
const INITIATING = 290;
/** A member that joins copies all data first. */
const JOINING = 7_190;

export const initiate = operation('mongodb.initiate', ReplicaSet, {
  publishes: [SET],
  undo: { irreversible: 'a replica set may hold data as soon as it exists' },
  timeout: (INITIATING + 10) * 1_000,
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output, _, { replicaSet }) =>
    judging(output, ({ state, set }) => {
      if (state === 'absent' || state === 'uninitialized') return no('in no replica set', `in ${replicaSet}`);
      // Its data may belong to a set: as long as it does not say so, there must be no second one.
      if (state === 'down' || state === 'silent') return unknown(`MongoDB is ${state} and may belong to a set`);
      return set === replicaSet
        ? yes({ [SET]: replicaSet })
        : unknown(`it belongs to the replica set ${set}, not ${replicaSet}`);
    }),
  apply: (host, set) =>
    within(
      host,
      set,
      `${HELD}for (const { name } of members) {
  const db = reach(name, 60) || fail(name + ' does not answer: no replica set without all of its members');
  const { setName } = hello(db);
  if (setName) fail(name + ' belongs to the replica set ' + setName + ' already: not making a second one');
}
must(local, { replSetInitiate: { _id: replicaSet, members: members.map(({ name }, n) => ({ _id: n, host: name })), settings } });
if (!until(90, () => hello(local).primary)) fail('no primary was elected');`,
      INITIATING,
    ),
});

/**
 * Made on the primary, while MongoDB still lets the machine itself in without a password; the others wait to hear of it.
 * A member that is in no set hears of it when it joins one: asked again once a set has been initiated.
 */
export const admin = operation('mongodb.admin', Port, {
  publishes: [],
  needs: [SET],
  undo: { irreversible: 'without its user the replica set could no longer be administered' },
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output) =>
    judging(output, ({ state, admin: known }) => {
      if (known || state === 'uninitialized') return yes();
      if (state === 'down' || state === 'silent') return unknown(`MongoDB is ${state}`);
      return no('no admin user', 'a user admin with the password of this cluster');
    }),
  apply: (host, set) =>
    within(
      host,
      set,
      `
const made = until(90, () => {
  if (login(local)) return true;
  if (!hello(local).isWritablePrimary) return false;
  const answer = ask(local, { createUser: user, pwd: password, roles: ['root'] });
  if (answer.code === 13 || answer.code === 51003) fail('there are users already, and ' + user + ' has another password');
  return false;
});
if (!made) fail('the user ' + user + ' did not arrive');`,
    ),
});

export const members = operation('mongodb.members', ReplicaSet, {
  publishes: [],
  undo: { irreversible: 'a member that joined holds copies that the others may need' },
  timeout: (JOINING + 10) * 1_000,
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output, _, { members: wanted, electionTimeoutMillis }) =>
    judging(output, (look) => {
      const { state, admin: known, voters } = look;
      if (state === 'absent' || state === 'uninitialized') return no('no replica set', names(wanted));
      if (!known) return unknown('the admin user cannot log in');
      const missing = wanted.filter(({ name }) => !voters.includes(name));
      if (missing.length > 0) return no(`without ${names(missing)}`, names(wanted));
      return look.electionTimeoutMillis === electionTimeoutMillis
        ? yes()
        : no(`elections after ${look.electionTimeoutMillis} ms`, `after ${electionTimeoutMillis} ms`);
    }),
  apply: (host, set) =>
    within(
      host,
      set,
      `${HELD}${CHANGING}
function serving(name) {
  const all = must(primary(), { replSetGetStatus: 1 }).members;
  const head = all.filter(({ state }) => Number(state) === 1)[0];
  const isUp = ({ state, optimeDate }) => Number(state) === 1 || (Number(state) === 2 && head && head.optimeDate - optimeDate < ${LAG * 1000});
  return all.some((member) => member.name === name && isUp(member));
}
for (const { name } of members) {
  const known = find(must(primary(), { replSetGetConfig: 1 }).config, name);
  if (known && known.votes) continue;
  if (!known) {
    const { setName } = hello(reach(name, 60) || fail(name + ' does not answer'));
    if (setName && setName !== replicaSet) fail(name + ' belongs to the replica set ' + setName);
    print('adding ' + name);
    // Without a vote at first: while it copies, it must not count for majorities.
    reconfigure((conf) => {
      if (find(conf, name)) return;
      const taken = conf.members.map((member) => Number(member._id));
      let free = 0;
      while (taken.includes(free)) free++;
      conf.members.push({ _id: free, host: name, priority: 0, votes: 0 });
    });
  }
  if (!until(7000, () => serving(name))) fail(name + ' has not finished copying');
  // Where no more can vote, one that leaves makes room.
  const { members: all } = must(primary(), { replSetGetConfig: 1 }).config;
  const going = all.filter(isLeaving).map(({ host }) => host);
  if (all.filter(({ votes }) => votes).length >= ${MOST_VOTERS} && going.length > 0) removeOne(going);
  reconfigure((conf) => { Object.assign(find(conf, name), { priority: 1, votes: 1 }); });
  print('added ' + name);
}
const { electionTimeoutMillis } = must(primary(), { replSetGetConfig: 1 }).config.settings;
if (Number(electionTimeoutMillis) !== settings.electionTimeoutMillis) {
  reconfigure((conf) => { Object.assign(conf.settings, settings); });
}`,
      JOINING,
    ),
});

const Concern = Port.extend({ writeConcern: z.union([z.literal('majority'), z.number()]) });

/** MongoDB 4.4 acknowledges a write that one member has, and loses it when that member fails next. */
export const writeConcern = operation('mongodb.writeConcern', Concern, {
  publishes: [],
  undo: { irreversible: 'writes that were acknowledged under it stay so' },
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output, _, { writeConcern: wanted }) =>
    judging(output, ({ state, admin: known, writeConcern: found }) => {
      if (state === 'absent' || state === 'uninitialized') return no('no replica set', `w: ${wanted}`);
      if (!known) return unknown('the admin user cannot log in');
      return found === wanted ? yes() : no(`w: ${found ?? 1}`, `w: ${wanted}`);
    }),
  settle: 60_000,
  apply: (host, set) =>
    within(
      host,
      set,
      `must(primary(), { setDefaultRWConcern: 1, defaultWriteConcern: { w: ${JSON.stringify(set.writeConcern)}, wtimeout: 0 } });`,
    ),
});

const Format = Port.extend({ release: z.string() });

/** Asked for by name only: until then the release before can be gone back to. */
export const features = operation('mongodb.features', Format, {
  publishes: [],
  undo: { irreversible: 'the release before cannot read what may have been written since' },
  timeout: 600_000,
  settle: 60_000,
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output, _, { release }) =>
    judging(output, ({ state, admin: known, features: found }) => {
      if (state === 'absent' || state === 'uninitialized') return no('no replica set', `data of MongoDB ${release}`);
      if (!known || found === undefined) return unknown('the admin user cannot log in');
      const isThere = (placeOf(found) ?? 0) >= (placeOf(release) ?? 0);
      return isThere ? yes() : no(`data of MongoDB ${found}`, `of ${release}`);
    }),
  apply: (host, set) => {
    const command = { setFeatureCompatibilityVersion: set.release };
    // Wanted from 7.0 on, and unknown before.
    const confirmed = Number.parseInt(set.release, 10) >= 7 ? { ...command, confirm: true } : command;
    return within(host, set, `${HELD}must(primary(), ${JSON.stringify(confirmed)});`, 590);
  },
});
