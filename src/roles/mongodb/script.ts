import type { HostSpec } from '../../plan/plan.ts';
import { type Command, type Script, script, sh } from '../../ssh/command.ts';
import { named } from '../container.ts';
import type { ReplicaSet } from './health.ts';
import { shellOf } from './member.ts';
import { javascript, LAG } from './shell.ts';

/** Seconds. A script ends before the job that waits for it does. */
const SHORT = 110;

/** What a script is told of the set. */
type Told = { readonly port: number } & Partial<ReplicaSet>;

/** Runs on a member's host, with what is wanted of the set as constants. Seconds: for the member to answer, and for all. */
export function within(host: HostSpec, set: Told, code: string, limit = SHORT, wait = 60): Script {
  const { replicaSet = null, members = [], leaving = [], electionTimeoutMillis = 0 } = set;
  const settings = {
    electionTimeoutMillis,
    // A member that vanished without a word is only given up after this time, whatever the election time-out.
    heartbeatTimeoutSecs: Math.max(1, Math.ceil(electionTimeoutMillis / 1000)),
  };
  const known = { replicaSet, members, leaving, settings };
  const constants = Object.entries(known).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  return script(javascript(shellOf(host, set), `const ${constants.join(', ')};\n${code}`, { wait, all: limit }));
}

/** For scripts that deal with the set as a whole. */
export const HELD = `if (local === null) fail('MongoDB does not answer');
`;

/** Before the primary goes: somebody else has caught up with it. */
const SUCCEEDING = `
function isElectable(member) { return member.votes && member.priority > 0; }
// Whether anybody else could ever be elected; fails where none of them has caught up.
function hasSuccessor(db, name) {
  const leaves = (host) => leaving.some((one) => one.name === host);
  const conf = must(db, { replSetGetConfig: 1 }).config;
  const others = conf.members.filter((member) => isElectable(member) && member.host !== name).map(({ host }) => host);
  const heirs = others.some((host) => !leaves(host)) ? others.filter((host) => !leaves(host)) : others;
  if (heirs.length === 0) return false;
  const hasCaughtUp = ({ name: host, health, state, optimeDate }, head) =>
    heirs.includes(host) && Number(health) === 1 && Number(state) === 2 && head - optimeDate < ${LAG * 1000};
  const isReady = () => {
    const all = must(db, { replSetGetStatus: 1 }).members;
    const self = all.filter((member) => member.name === name)[0];
    return all.some((member) => hasCaughtUp(member, self.optimeDate));
  };
  if (!until(60, isReady)) fail('none of ' + heirs.join(', ') + ' is within ${LAG} s of the primary ' + name + ': not taking it away');
  return true;
}
`;

/** One change of the configuration at a time, on whoever is the primary then. */
export const CHANGING = `
// In an election, or while the change before is still on its way to the others.
const BUSY = [91, 109, 189, 308, 10107, 11600, 11602, 13435];
function reconfigure(change) {
  let answer;
  const isDone = () => {
    const db = primary();
    const conf = must(db, { replSetGetConfig: 1 }).config;
    change(conf);
    conf.version = Number(conf.version) + 1;
    answer = ask(db, { replSetReconfig: conf });
    return answer.ok || BUSY.indexOf(answer.code) < 0;
  };
  until(60, isDone);
  if (!answer.ok) fail('replSetReconfig: ' + answer.errmsg);
}
function find(conf, name) { return conf.members.filter((member) => member.host === name)[0]; }
function isLeaving({ host }) { return leaving.some(({ name }) => name === host); }
${SUCCEEDING}
function handOver(db, name) {
  if (!hasSuccessor(db, name)) return;
  print('the primary ' + name + ' steps down');
  const answer = ask(db, { replSetStepDown: 60, secondaryCatchUpPeriodSecs: 30 });
  if (!answer.ok && hello(db).isWritablePrimary) fail('replSetStepDown: ' + answer.errmsg);
  const next = until(60, () => { const found = hello(local).primary; return found !== name && found; });
  if (!next) fail('nobody was elected in place of ' + name);
  print('the primary is ' + next);
}
// The primary last: each time it goes costs a moment without one.
function removeOne(names) {
  const head = hello(local).primary;
  const name = names.filter((one) => one !== head)[0] || names[0];
  if (name === head) handOver(primary(), name);
  reconfigure((conf) => { conf.members = conf.members.filter(({ host }) => host !== name); });
  print('removed ' + name);
}
`;

/** Seconds. */
const WAITING = 80;

/** A refusal; any other failure is one of a shell that could not ask. */
const REFUSED = 3;

/**
 * Before a member is stopped that may be the primary. One that does not answer, or that nobody could ever succeed, is no
 * reason to wait: what comes next may be what mends it. MongoDB itself hands over when it is told to end. To have it step
 * down before and live on for a moment would be worse: the driver of NodeBB 1.4 then loses it for good, and hangs when it is
 * the primary again.
 */
export function succeeded(host: HostSpec, set: { readonly port: number }): Command {
  const code = `function fail(message) { print(message); quit(${REFUSED}); }
${SUCCEEDING}
const me = local === null ? {} : hello(local);
if (me.isWritablePrimary && login(local)) hasSuccessor(local, me.me);`;
  const { name } = shellOf(host, set);
  return sh`if [ -n "$(docker ps --quiet --filter ${named(name)} --filter status=running)" ]; then
code=0
( ${within(host, set, code, WAITING, 5)} ) || code=$?
[ $code -ne ${REFUSED} ]
fi`;
}
