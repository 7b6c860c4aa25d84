import type { HostSpec } from '../../plan/plan.ts';
import { type Command, type Output, secret, sh, type Text, text, words } from '../../ssh/command.ts';
import { judgeFile } from '../container.ts';
import { no, type Verdict } from '../operation.ts';
import {
  CONFIG_PATH,
  connection,
  DATABASE_PASSWORD,
  DATABASE_USER,
  type Forum,
  listens,
  SECRET,
  traits,
  urlOf,
} from './forum.ts';

/** config.json. It differs between hosts in who runs the jobs, and in the URL where each has its own. */
export function configOf(host: HostSpec, forum: Forum): Text {
  const { modern } = traits(forum);
  return text`{
  "url": ${JSON.stringify(urlOf(host, forum))},
  "port": ${listens(forum)},
  "secret": "${secret(SECRET, 'json')}",
  "jobsDisabled": ${JSON.stringify(host.name !== forum.jobs)},
  "database": "mongo",
  "mongo": ${modern ? connectionString(forum) : hostLists(forum)}
}
`;
}

/** With these, a frozen primary is given up within seconds, and requests that it holds within a minute: NodeBB has 90 s and never. */
const DRIVER = {
  connectTimeoutMS: 3000,
  heartbeatFrequencyMS: 2000,
  serverSelectionTimeoutMS: 30000,
  socketTimeoutMS: 45000,
};

/** The driver of 1.4 knows connections that are idle no better than ones that hang: it is left to the kernel to tell. */
const OLD_DRIVER = { replSet: { socketOptions: { keepAlive: 5000, connectTimeoutMS: 5000 } } };

function connectionString(forum: Forum): Text {
  return text`{ "uri": "${connection(forum, DATABASE_USER, DATABASE_PASSWORD)}", "options": ${JSON.stringify(DRIVER)} }`;
}

function hostLists({ members, database, replicaSet }: Forum): Text {
  const hosts = members.map((member) => member.slice(0, member.lastIndexOf(':'))).join(',');
  const ports = members.map((member) => member.slice(member.lastIndexOf(':') + 1)).join(',');
  return text`{
    "host": ${JSON.stringify(hosts)},
    "port": ${JSON.stringify(ports)},
    "username": ${JSON.stringify(DATABASE_USER)},
    "password": "${secret(DATABASE_PASSWORD, 'json')}",
    "database": ${JSON.stringify(`${database}?replicaSet=${replicaSet}`)},
    "options": ${JSON.stringify(OLD_DRIVER)}
  }`;
}

/** The same without the members it names, which matter when NodeBB starts: afterwards it knows them from each other. */
export const bareConfigOf = (host: HostSpec, forum: Forum): Text => configOf(host, { ...forum, members: [] });

/** How many members a configuration must name, where there are so many. */
const ENOUGH = 3;

/** Takes the members out of what {@link configOf} made. */
const STRIP = [
  's|^\\(.*"mongodb://[^@]*@\\)[^/]*/|\\1/|',
  's|^\\( *"host": \\)"[^"]*"|\\1""|',
  's|^\\( *"port": \\)"[^"]*"|\\1""|',
].join(';');

/** Leaves nothing but the members: in one line, or hosts in one and ports in another. */
const MEMBERS = [
  's|^.*"mongodb://[^@]*@\\([^/]*\\)/.*$|\\1|p',
  's|^ *"host": "\\([^"]*\\)".*$|\\1|p',
  's|^ *"port": "\\([^"]*\\)".*$|\\1|p',
].join(';');

/** Exit code 0 where the file says what it should, whichever members it names. */
export const isConfigured = (host: HostSpec, forum: Forum): Command =>
  sh`[ "$(sed ${STRIP} ${CONFIG_PATH} 2> /dev/null)" = "$(printf %s ${words(bareConfigOf(host, forum))})" ]`;

/** Prints mode and owner of the file, whether it is as it should be, and the members that it names. */
export const findingConfig = (host: HostSpec, forum: Forum): Command =>
  sh`stat -c '%a %u:%g' ${CONFIG_PATH} 2> /dev/null || echo none
if ${isConfigured(host, forum)}; then echo held; else echo other; fi
sed -n ${MEMBERS} ${CONFIG_PATH} 2> /dev/null || :`;

/** Some members are enough to find the others, so a new one is no reason to write all files anew. One that has left is. */
export function judgeConfig(output: Output, { user, members }: Pick<Forum, 'user' | 'members'>): Verdict {
  const verdict = judgeFile(output, `600 ${user}`);
  if (verdict.is !== 'yes') return verdict;
  const [, , hosts = '', ports] = output.stdout.trim().split('\n');
  const each = ports?.split(',');
  const named = hosts.split(',').map((host, n) => (each ? `${host}:${each[n]}` : host));
  const isEnough = named.length >= Math.min(ENOUGH, members.length) && named.every((name) => members.includes(name));
  return isEnough ? verdict : no(`names ${named.join(', ')}`, `names ${members.join(', ')}`);
}
