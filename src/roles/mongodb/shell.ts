import * as z from 'zod';
import { type Command, type Output, secret, sh, type Text, text, words } from '../../ssh/command.ts';
import { COOKIE, lastLine, named } from '../container.ts';

/** Where a member keeps its data on its host. */
export const DATA = '/var/lib/mongodb';

export const ADMIN_USER = 'admin';
export const ADMIN_PASSWORD = 'mongodb.adminPassword';

/** Seconds by which a member may be behind the primary and still count as one that can take its place. */
export const LAG = 10;

/** What scripts must know of a member. */
export interface Shell {
  /** Of the container. */
  readonly name: string;
  readonly port: number;
}

/**
 * A member as its own mongod describes it, in one call of the shell, which takes a second or two of CPU:
 * all probes of replica sets ask exactly this, so that a round trip needs to ask it once.
 */
export type Look = z.infer<typeof Look>;

const Look = z.object({
  /**
   * `absent`: no container and no data. `down`: no container that runs, but data. `silent`: runs and does not answer.
   * `uninitialized`: in no set. Else as rs.status() says: PRIMARY, SECONDARY, STARTUP2…
   */
  state: z.string(),
  set: z.string().optional(),
  /** Names of the members with a vote or without, `node0.farweave.local:27017`. */
  hosts: z.array(z.string()).default([]),
  primary: z.string().optional(),
  /** Whether the admin user can log in. What follows is only there if so. */
  admin: z.boolean().default(false),
  voters: z.array(z.string()).default([]),
  /** Other members that it does not see at work. */
  ailing: z.array(z.string()).default([]),
  /** Members that copy from the primary, and are more than {@link LAG} behind it; itself included. */
  lagging: z.array(z.string()).default([]),
  /** How far it is behind the primary, in seconds. */
  behind: z.number().optional(),
  electionTimeoutMillis: z.number().optional(),
  writeConcern: z.union([z.string(), z.number()]).optional(),
  /** The release whose data format is in use, `4.4`. It only goes up, by hand. */
  features: z.string().optional(),
});

/** Before each line that a script means for its caller: shells print warnings of their own. */
export const MARK = 'farweave ';

/** Functions that the published shells of all versions understand, mongo (4.4) and mongosh alike. */
const LIBRARY = String.raw`
function say(value) { print('${MARK}' + JSON.stringify(value)); }
function fail(message) { print(message); quit(1); }
function ask(db, command) {
  try { return db.runCommand(command); } catch (error) { return { ok: 0, code: error.code, errmsg: error.message }; }
}
function must(db, command) {
  const answer = ask(db, command);
  if (!answer.ok) fail(Object.keys(command)[0] + ': ' + answer.errmsg);
  return answer;
}
function login(db) {
  try { return Boolean(db.auth(user, password)); } catch (error) { return false; }
}
function open(address) {
  // mongosh would look for half a minute for a machine that is off. mongo gives up by itself, and has no process.
  const hurry = '/?directConnection=true&connectTimeoutMS=4000&serverSelectionTimeoutMS=4000';
  const connection = new Mongo(typeof process === 'undefined' ? address : 'mongodb://' + address + hurry);
  // mongo asks a secondary nothing unless told so, under a name that has changed.
  if (connection.setSecondaryOk) connection.setSecondaryOk(); else connection.setSlaveOk();
  return connection;
}
// Kept, since neither shell gives a connection up before it ends.
const opened = {};
function reach(address, seconds) {
  for (let waited = 0; ; waited++) {
    try {
      opened[address] = opened[address] || open(address).getDB('admin');
      if (opened[address].runCommand({ ping: 1 }).ok) return opened[address];
    } catch (error) { delete opened[address]; }
    if (waited >= seconds) return null;
    sleep(1000);
  }
}
function until(seconds, wanted) {
  for (let waited = 0; waited < 2 * seconds; waited++) {
    const value = wanted();
    if (value) return value;
    sleep(500);
  }
  return null;
}
// Neither PRIMARY nor SECONDARY nor ARBITER, or not heard of.
function ails(member) { return !member.self && (Number(member.health) !== 1 || [1, 2, 7].indexOf(Number(member.state)) < 0); }
function hello(db) { return ask(db, { hello: 1 }); }
// A member that has not joined yet does not know: then one of the others does.
function leader() {
  const asked = [local].concat(members.map(({ name }) => reach(name, 0)));
  return asked.map((db) => db && hello(db).primary).filter(Boolean)[0];
}
function primary() {
  let name;
  const reached = () => {
    name = hello(local).primary || leader();
    return name && reach(name, 0);
  };
  const db = until(60, reached) || fail(name ? 'the primary ' + name + ' does not answer' : 'the replica set has no primary');
  if (!login(db)) fail('the primary ' + name + ' refuses the user ' + user);
  return db;
}
`;

const LOOK = `
if (local === null) say({ state: 'silent' });
else {
  const me = hello(local);
  const look = { state: 'uninitialized' };
  if (me.setName) {
    look.state = me.isWritablePrimary ? 'PRIMARY' : me.secondary ? 'SECONDARY' : 'STARTUP';
    look.set = me.setName;
    look.hosts = (me.hosts || []).concat(me.passives || []);
    look.primary = me.primary;
    look.admin = login(local);
  }
  if (look.admin) {
    const conf = ask(local, { replSetGetConfig: 1 }).config;
    if (conf) {
      look.hosts = conf.members.map((member) => member.host);
      look.voters = conf.members.filter((member) => member.votes).map((member) => member.host);
      look.electionTimeoutMillis = Number(conf.settings.electionTimeoutMillis);
    }
    const status = ask(local, { replSetGetStatus: 1 });
    const members = status.members || [];
    const self = members.filter((member) => member.self)[0];
    if (self) look.state = self.stateStr;
    look.ailing = members.filter(ails).map((member) => member.name);
    const head = members.filter(({ state }) => Number(state) === 1)[0];
    const behind = ({ optimeDate }) => (head.optimeDate - optimeDate) / 1000;
    if (head) {
      look.lagging = members.filter((member) => Number(member.state) === 2 && behind(member) > ${LAG}).map(({ name }) => name);
      if (self) look.behind = Math.max(0, behind(self));
    }
    const concern = (ask(local, { getDefaultRWConcern: 1 }).defaultWriteConcern || {}).w;
    const features = ask(local, { getParameter: 1, featureCompatibilityVersion: 1 }).featureCompatibilityVersion;
    look.features = features && features.version;
    look.writeConcern = typeof concern === 'string' || concern === undefined ? concern : Number(concern);
  }
  say(look);
}
`;

/** In seconds: for the member to answer, and for all. */
interface Limits {
  readonly wait: number;
  readonly all: number;
}

/** Less than a question may take: then the shell in the container ends by itself, and says what it has. */
const LOOK_LIMITS: Limits = { wait: 5, all: 45 };

/**
 * Runs JavaScript in the shell of a member's image, against that member (`local`), as a command on its host.
 * `before` prints JavaScript that the host alone can tell, to stand before all else.
 */
export function javascript(shell: Shell, code: Text | string, { wait, all }: Limits, before?: Command): Command {
  const print = sh`printf %s ${words(program(shell, code, wait))}`;
  const source = before === undefined ? print : sh`{ ${before}; ${print}; }`;
  return sh`${source} | docker exec --interactive ${COOKIE} --user 0 ${shell.name} sh -c ${RUN} farweave ${all}`;
}

/** What the shell is given to run: `local` is waited for so many seconds. */
export function program({ port }: Pick<Shell, 'port'>, code: Text | string, wait: number): Text {
  const prelude = text`const user = ${JSON.stringify(ADMIN_USER)}, password = "${secret(ADMIN_PASSWORD, 'json')}";
${LIBRARY}
const local = reach("127.0.0.1:${port}", ${wait});
`;
  return [...prelude, ...(typeof code === 'string' ? [code] : code)];
}

/** Asks a member for its {@link Look}. A machine without Docker, or without data, has no member: that is an answer. */
export function looking(shell: Shell): Command {
  return sh`if command -v docker > /dev/null && [ -n "$(docker ps --quiet --filter ${named(shell.name)})" ]; then
${javascript(shell, LOOK, LOOK_LIMITS)}
elif [ -e ${DATA}/WiredTiger ]; then echo ${`${MARK}{"state":"down"}`}
else echo ${`${MARK}{"state":"absent"}`}
fi`;
}

/** What {@link looking} saw, or why it saw nothing. */
export function seen({ stdout, stderr }: Output): Look | string {
  const line = stdout.split('\n').find((text) => text.startsWith(MARK));
  if (line === undefined) return `MongoDB's shell said nothing of use: ${lastLine(stderr) || lastLine(stdout)}`;
  return Look.parse(JSON.parse(line.slice(MARK.length)));
}

/**
 * Scripts hold passwords: they lie in the container's memory for as long as they run. A limit in there bounds it, since
 * `docker exec` hands no signal on; the end of the job that they belong to ends them too.
 */
const RUN = `set -eu
umask 077
folder=$(mktemp -d /dev/shm/farweave.XXXXXX)
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' HUP INT TERM
cat > "$folder/script.js"
shell=mongosh
command -v mongosh > /dev/null || shell=mongo
HOME=$folder timeout -k 10 "$1" "$shell" --quiet --norc --nodb "$folder/script.js"`;
