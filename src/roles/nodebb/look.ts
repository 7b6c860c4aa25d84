import * as z from 'zod';
import { type Command, type Output, sh, type Text, text, words } from '../../ssh/command.ts';
import { COOKIE, lastLine } from '../container.ts';
import { unknown, type Verdict } from '../operation.ts';
import { connection, DATABASE_PASSWORD, DATABASE_USER, type Forum, HOME, NAME, visiting } from './forum.ts';

/** Before each line that a script means for its caller. */
export const MARK = 'farweave ';

type Look = z.infer<typeof Look>;

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
  stdout
    .split('\n')
    .find((line) => line.startsWith(RUNS))
    ?.slice(RUNS.length);

export function judging(output: Output, judge: (look: Look) => Verdict): Verdict {
  const { data } = Look.safeParse(said(output));
  if (data === undefined) return unknown(lastLine(output.stderr) || 'the probe said nothing');
  return data.trouble === undefined ? judge(data) : unknown(data.trouble);
}
