import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { type Command, type Output, script, secret, sh, type Text, text, words } from '../../ssh/command.ts';
import { COOKIE, lastLine } from '../container.ts';
import { ADMIN_PASSWORD as MONGODB_PASSWORD, ADMIN_USER as MONGODB_USER } from '../mongodb/shell.ts';
import { no, operation, unknown, type Verdict, yes } from '../operation.ts';
import {
  connection,
  DATABASE_PASSWORD,
  DATABASE_USER,
  Forum,
  HOME,
  makingFolders,
  NAME,
  SECRET,
  traits,
  urlOf,
  visiting,
} from './forum.ts';

export const ADMIN_PASSWORD = 'nodebb.adminPassword';

/** Before each line that a script means for its caller. */
export const MARK = 'farweave ';

/** The account in MongoDB: it owns its own database, and may read the figures that the admin panel shows. */
export const database = operation('nodebb.database', Forum, {
  publishes: [],
  undo: { irreversible: 'the forum would lose its way to its data' },
  probe: (_, forum) => looking(forum),
  judge: (output, _, forum) =>
    judging(output, ({ roles }) => {
      const missing = rolesOf(forum).filter(({ role, db }) => !roles?.includes(`${role}@${db}`));
      if (missing.length === 0) return yes();
      const wanted = rolesOf(forum).map(({ role }) => role);
      return no(roles ? `without ${missing.map(({ role }) => role).join(', ')}` : 'no such user', wanted.join(', '));
    }),
  apply: (host, forum) =>
    script(
      running(
        forum,
        text`const { MongoClient } = require('${HOME}/node_modules/mongodb');
const account = { pwd: "${secret(DATABASE_PASSWORD, 'json')}", roles: ${JSON.stringify(rolesOf(forum))} };
(async () => {
  const client = await MongoClient.connect("${connection(forum, MONGODB_USER, MONGODB_PASSWORD, 'admin')}");
  const db = client.db(${JSON.stringify(forum.database)});
  const there = await db.command({ usersInfo: '${DATABASE_USER}' });
  const verb = there.users.length > 0 ? 'updateUser' : 'createUser';
  await db.command(Object.assign({ [verb]: '${DATABASE_USER}' }, account, { writeConcern: { w: 'majority', wtimeout: 30000 } }));
  await client.close();
})().catch((error) => { console.error(error.message); process.exit(1); });
setTimeout(() => { console.error('MongoDB does not answer'); process.exit(1); }, 60000).unref();
`,
      ),
    ),
});

const Account = Forum.extend({ username: z.string(), email: z.string() });

/**
 * Once in a cluster's life: two at a time would double the categories, and it ends with 0 even if it did nothing, so
 * that only the database knows whether it is done.
 */
export const setup = operation('nodebb.setup', Account, {
  publishes: [],
  timeout: 600_000,
  undo: { irreversible: 'the forum may have been written to since' },
  probe: (_, forum) => looking(forum),
  judge: (output) =>
    judging(output, ({ counts }) => {
      const { administrators = 0, categories = 0, plugins = 0 } = counts ?? {};
      if (administrators > 0 && categories > 0 && plugins > 0) return yes();
      return no(`${administrators} administrators, ${categories} categories, ${plugins} plugins`, 'a forum');
    }),
  apply: (host, forum) =>
    script(
      makingFolders(forum),
      sh`docker rm --force --volumes nodebb-setup > /dev/null 2>&1 || :`,
      sh`printf %s ${words(answers(host, forum))} | docker run --rm --interactive --name nodebb-setup ${visiting(forum)} --entrypoint sh ${forum.image} -c ${SETUP}`,
    ),
});

/** The answers lie in the container's memory; as arguments they would stand in every list of processes. */
const SETUP = 'umask 077; cat > /dev/shm/answers.js; exec node --require /dev/shm/answers.js app.js';

/** Read before NodeBB: it finds the answers where it looks for arguments. */
function answers(host: HostSpec, forum: z.infer<typeof Account>): Text {
  const { modern, builds } = traits(forum);
  const { username, email, members, database: name, replicaSet } = forum;
  const password = secret(ADMIN_PASSWORD, 'json');
  const place = modern
    ? text`"mongo:uri": "${connection(forum, DATABASE_USER, DATABASE_PASSWORD)}"`
    : text`"mongo:host": ${JSON.stringify(members.map((member) => member.split(':')[0]).join(','))},
  "mongo:port": ${JSON.stringify(members.map((member) => member.split(':')[1]).join(','))},
  "mongo:username": "${DATABASE_USER}", "mongo:password": "${secret(DATABASE_PASSWORD, 'json')}",
  "mongo:database": ${JSON.stringify(`${name}?replicaSet=${replicaSet}`)}`;
  return text`${modern ? OWN_CONFIG : ''}process.argv.push('--skip-build', '--ci=', '--setup=' + JSON.stringify({
  "url": ${JSON.stringify(urlOf(host, forum))}, "port": ${forum.port}, "secret": "${secret(SECRET, 'json')}", "database": "mongo",
  ${place},
  "admin:username": ${JSON.stringify(username)}, "admin:email": ${JSON.stringify(email)},
  "admin:password": "${password}", "admin:password:confirm": "${password}"
}));
function replace(file, exports) {
  const Module = require('module');
  const module = Object.assign(new Module(file), { exports, filename: file, loaded: true });
  require.cache[file] = module;
}
${builds ? '' : NO_BUILD}
${modern ? ANY_PASSWORD : ''}
`;
}

/** The configuration that set-up writes is not used. 1.4 reads it back from where it always is, and it goes with the container. */
const OWN_CONFIG = `process.argv.push('--config=/dev/shm/config.json');
`;

/** 1.4 knows no --skip-build; what it builds would go with this container. */
const NO_BUILD = `replace('${HOME}/build.js', { build: (targets, done) => done() });`;

/** The forum's rules for passwords are for its readers: what the operator chose for the admin is not up to them. */
const ANY_PASSWORD = `
try { replace(require.resolve('${HOME}/node_modules/zxcvbn'), () => ({ score: 4 })); } catch (error) { /* not in this version */ }`;

const rolesOf = ({ database: db }: Pick<Forum, 'database'>) => [
  { role: 'readWrite', db },
  { role: 'clusterMonitor', db: 'admin' },
];

export type Look = z.infer<typeof Look>;

/** What NodeBB's own account finds in the database, looked at with the image that is wanted. */
const Look = z.object({
  /** `readWrite@nodebb`…; missing: it cannot log in. */
  roles: z.array(z.string()).optional(),
  counts: z.object({ administrators: z.number(), categories: z.number(), plugins: z.number() }).optional(),
  /** How many changes of the schema come with the image that the database has not seen. */
  pending: z.number().optional(),
  /** Why there is no answer. */
  trouble: z.string().optional(),
});

/** Before the image of a container that runs. */
const RUNS = 'runs ';

export function looking(forum: Forum): Command {
  const key = (name: string) => JSON.stringify(name);
  return sh`docker inspect --format ${`{{if .State.Running}}${RUNS}{{.Config.Image}}{{end}}`} ${NAME} 2> /dev/null || :
if command -v docker > /dev/null && [ -n "$(docker images --quiet ${forum.image})" ]; then
${running(
  forum,
  text`const { MongoClient } = require('${HOME}/node_modules/mongodb');
const say = (value) => { console.log('${MARK}' + JSON.stringify(value)); process.exit(); };
// The driver of 1.4 tells of a refused login once for each member.
const denied = ({ code, errors }) => code === 18 || (errors || []).some(({ err }) => err && err.code === 18);
${SCRIPTS}
(async () => {
  const client = await MongoClient.connect("${connection(forum, DATABASE_USER, DATABASE_PASSWORD)}&connectTimeoutMS=5000");
  const db = client.db(${JSON.stringify(forum.database)});
  const { authInfo } = await db.command({ connectionStatus: 1 });
  const count = async (_key) => (await db.collection('objects').find({ _key }).limit(100).toArray()).length;
  const values = async (_key) => (await db.collection('objects').find({ _key }).toArray()).map(({ value }) => value);
  const [done, active] = [await values('schemaLog'), await values('plugins:active')];
  say({
    pending: scripts(active).filter((name) => !done.includes(name)).length,
    roles: authInfo.authenticatedUserRoles.map(({ role, db }) => role + '@' + db),
    counts: {
      administrators: await count(${key('group:administrators:members')}),
      categories: await count(${key('categories:cid')}),
      plugins: await count(${key('plugins:active')}),
    },
  });
})().catch((error) => say(denied(error) ? {} : { trouble: error.message }));
setTimeout(() => say({ trouble: 'MongoDB does not answer' }), 20000);
`,
)}
else echo ${`${MARK}{}`}
fi`;
}

/** As NodeBB finds the scripts that change its schema: its own, and those of plugins. Each leaves its name in the database. */
const SCRIPTS = `const fs = require('fs');
const list = (folder) => { try { return fs.readdirSync(folder); } catch (error) { return []; } };
const walk = (at) => fs.statSync(at).isDirectory() ? [].concat(...list(at).map((name) => walk(at + '/' + name))) : [at];
const ofPlugin = (id) => { try { return require('${HOME}/node_modules/' + id + '/plugin.json').upgrades || []; } catch (error) { return []; } };
function scripts(plugins) {
  const folder = '${HOME}/src/upgrades';
  const files = (fs.existsSync(folder) ? walk(folder) : []).concat(...plugins.map(ofPlugin));
  return files.filter((file) => file.endsWith('.js')).map((file) => require('path').basename(file, '.js'));
}`;

/** Runs JavaScript with NodeBB's modules: in its container if that runs this image, else in one for the occasion. */
export function running(forum: Forum, code: Text): Command {
  return sh`code() { printf %s ${words(code)}; }
if [ "$(docker inspect --format '{{.State.Running}} {{.Config.Image}}' ${NAME} 2> /dev/null)" = ${`true ${forum.image}`} ]; then code | docker exec --interactive ${COOKIE} ${NAME} node -
else code | docker run --rm --interactive ${visiting(forum)} --entrypoint node ${forum.image} -
fi`;
}

/** The first line that a script said, as JSON, or undefined. */
export function said({ stdout }: Output): unknown {
  const line = stdout.split('\n').find((candidate) => candidate.startsWith(MARK));
  return line === undefined ? undefined : JSON.parse(line.slice(MARK.length));
}

/** The image that NodeBB runs from on this host, if it runs. */
export const runsFrom = ({ stdout }: Output): string | undefined =>
  stdout.split('\n').find((line) => line.startsWith(RUNS))?.slice(RUNS.length);

export function judging(output: Output, judge: (look: Look) => Verdict): Verdict {
  const { data } = Look.safeParse(said(output));
  if (data === undefined) return unknown(lastLine(output.stderr) || 'the probe said nothing');
  return data.trouble === undefined ? judge(data) : unknown(data.trouble);
}
