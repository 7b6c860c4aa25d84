import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { script, secret, sh, type Text, text, words } from '../../ssh/command.ts';
import { ADMIN_PASSWORD as MONGODB_PASSWORD, ADMIN_USER as MONGODB_USER } from '../mongodb/shell.ts';
import { no, operation, yes } from '../operation.ts';
import {
  connection,
  DATABASE_PASSWORD,
  DATABASE_USER,
  Forum,
  HOME,
  makingFolders,
  SECRET,
  traits,
  urlOf,
  visiting,
} from './forum.ts';
import { judging, looking, running } from './look.ts';

export const ADMIN_PASSWORD = 'nodebb.adminPassword';

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
