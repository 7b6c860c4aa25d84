import * as z from 'zod';
import { findingRunning, judgeStopped, startingAgain, stopping } from '../container.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { judging, majority, names, ReplicaSet } from './health.ts';
import { memberName, STOP, shellOf } from './member.ts';
import { CHANGING, HELD, within } from './script.ts';
import { type Look, looking } from './shell.ts';

/** Seconds. */
const REMOVING = 890;

const has = (names: readonly string[]) => (member: { readonly name: string }) => names.includes(member.name);

/** Members that speak for no set: not there yet, or not there now. The others know of them. */
const isDumb = ({ state }: Look) => ['absent', 'uninitialized', 'down', 'silent'].includes(state);

/**
 * Whether a majority can elect a primary, now and when the others have left. Asked of every member that stays: with `members`
 * as they will be, of which the new ones count as there. That there is no primary at this moment is no reason to refuse: one
 * that has just vanished may be the one that leaves, and an election can take half a minute. What changes the set waits for it.
 */
export const quorum = operation('mongodb.quorum', ReplicaSet, {
  kind: 'preflight',
  publishes: [],
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output, _, { members, leaving = [] }) =>
    judging(output, (look) => {
      if (isDumb(look)) return yes();
      if (!look.admin) return unknown('the admin user cannot log in');
      const { voters, ailing, primary } = look;
      const way = 'bring a host back first, or force it';
      const electing = voters.filter((name) => !ailing.includes(name)).length;
      if (primary === undefined && electing < majority(voters.length)) {
        return no(
          `no primary: ${electing} of ${voters.length} voters answer`,
          `${majority(voters.length)}, which elect one: ${way}`,
        );
      }
      const there = members.filter(({ name }) => !ailing.includes(name)).length;
      const wanted = majority(members.length);
      if (there >= wanted) return yes();
      const before = new Set([...voters, ...[...members, ...leaving].map(({ name }) => name)]).size;
      const left = `${members.length} of ${before} voters would be left, ${there} of them answer${there === 1 ? 's' : ''}`;
      return no(left, `${wanted}, a majority: ${way}`);
    }),
});

const Removal = ReplicaSet.extend({
  /** Only those that do not answer: they serve nobody, and stand in the way of majorities and of new voters. */
  silent: z.boolean().exactOptional(),
  /** Where there is no primary, this member alone decides. What only others had written may be lost. */
  forced: z.boolean().exactOptional(),
});

/** Those that leave are not in the set's configuration any more. Each that stays is asked; the first that can does it. */
export const removed = operation('mongodb.removed', Removal, {
  publishes: [],
  undo: { irreversible: 'a member that has left comes back when a later rollout adds its host' },
  timeout: (REMOVING + 10) * 1_000,
  settle: 30_000, // until the others have heard of it
  probe: (host, set) => looking(shellOf(host, set)),
  judge: (output, _, { leaving = [], silent = false }) =>
    judging(output, (look) => {
      if (['absent', 'uninitialized'].includes(look.state) || (silent && !look.admin)) return yes();
      if (!look.admin) return unknown(`MongoDB is ${look.state} and cannot be asked who its members are`);
      const there = leaving.filter(has(look.hosts)).filter((member) => !silent || has(look.ailing)(member));
      return there.length === 0 ? yes() : no(`with ${names(there)}`, `without ${names(there)}`);
    }),
  apply: (host, set) => within(host, set, `${HELD}${CHANGING}${removing(set)}`, REMOVING),
});

function removing({ silent = false, forced = false }: z.infer<typeof Removal>): string {
  return `
// Silent ones only: by this member's own account, as in the question that led here.
function there() {
  const found = must(local, { replSetGetConfig: 1 }).config.members.filter(isLeaving).map(({ host }) => host);
  const all = must(local, { replSetGetStatus: 1 }).members;
  const isSilent = (host) => all.some((member) => member.name === host && ails(member));
  return ${silent ? 'found.filter(isSilent)' : 'found'};
}
login(local) || fail(user + ' cannot log in');
const gone = ${forced} && !until(30, () => hello(local).primary) ? there() : [];
if (gone.length > 0) {
  print('no primary: removing ' + gone.join(', ') + ' by force');
  const conf = must(local, { replSetGetConfig: 1 }).config;
  conf.members = conf.members.filter(({ host }) => gone.indexOf(host) < 0);
  conf.version = Number(conf.version) + 1;
  must(local, { replSetReconfig: conf, force: true });
  if (!until(90, () => hello(local).primary)) fail('no primary was elected: ' + conf.members.length + ' members are left');
}
for (let left = there(); left.length > 0; left = there()) {
  const before = left.length;
  removeOne(left);
  if (!until(60, () => there().length < before)) fail('the change of the replica set does not arrive');
}`;
}

/** The member of a host that leaves. Its data stay. */
export const stopped = operation('mongodb.stopped', z.object({}), {
  publishes: [],
  undo: (host) => startingAgain(memberName(host)),
  probe: (host) => findingRunning(memberName(host)),
  judge: (output) => judgeStopped(output),
  apply: (host) => stopping(memberName(host), STOP),
});
