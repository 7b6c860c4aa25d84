import * as z from 'zod';
import type { HostSpec } from '../../plan/plan.ts';
import { secret, type Text, text } from '../../ssh/command.ts';
import { lastLine } from '../container.ts';
import { address, SLOTS } from '../network.ts';
import { no, operation, unknown, yes } from '../operation.ts';
import { ADMIN_PASSWORD } from './database.ts';
import { Forum, front, HOME, listens, traits } from './forum.ts';
import { MARK, running, said } from './look.ts';

const Readers = Forum.extend({
  username: z.string(),
  /** Host → index, of all that serve the forum. */
  readers: z.record(z.string(), z.number()),
});
type Readers = z.infer<typeof Readers>;

/** The fact of every host that has been met: its key. Empty for those that the rollout does without. */
const SEEN = 'host.key';

const Report = z.object({ trouble: z.string().optional(), blind: z.array(z.string()).default([]) });

/** Proof of the whole: what is written through one host is read through all others. The topic is purged afterwards. */
export const replicated = operation('nodebb.replicated', Readers, {
  kind: 'check',
  publishes: [],
  timeout: 180_000,
  needs: [SEEN],
  probe: (host, forum, facts) => running(forum, verification(host, forum, facts[SEEN])),
  judge: (output) => {
    const { data } = Report.safeParse(said(output));
    if (data === undefined) return unknown(lastLine(output.stderr) || 'the probe said nothing');
    if (data.trouble !== undefined) return unknown(data.trouble);
    return data.blind.length === 0 ? yes() : no(`not read on ${data.blind.join(', ')}`, 'read on all hosts');
  },
});

function verification(host: HostSpec, forum: Readers, seen: Readonly<Record<string, string>> = {}): Text {
  const { modern } = traits(forum);
  const at = { url: forum.url, port: listens(forum) };
  const readers = Object.entries(forum.readers)
    .filter(([name]) => name !== host.name && seen[name] !== '')
    .map(([name, index]) => ({ name, base: front(address(forum.network, { index }, SLOTS.nodebb), at) }));
  return text`const http = require('http');
const base = ${JSON.stringify(front('127.0.0.1', at))}, readers = ${JSON.stringify(readers)};
const account = { username: ${JSON.stringify(forum.username)}, password: "${secret(ADMIN_PASSWORD, 'json')}" };
${LIBRARY}
${modern ? OVER_HTTP : OVER_SOCKET}
(async () => {
  await login();
  const { categories } = (await call(base, 'GET', '/api/categories')).json;
  const topic = { cid: categories[0].cid, title: 'Farweave checks replication', content: 'Written through one host, read through the others, then purged.' };
  // NodeBB lets a user write one thing at a time, and another host may be checking as well.
  let tid;
  for (let tries = 0; tid === undefined; tries++) {
    try { tid = await post(topic); } catch (error) { if (tries >= 10) throw error; await pass(1000 + 1000 * Math.random()); }
  }
  const blind = [];
  for (const reader of readers) {
    let seen = false;
    for (let tries = 0; tries < 10 && !seen; tries++) {
      const { status, json } = await call(reader.base, 'GET', '/api/topic/' + tid).catch(() => ({}));
      seen = status === 200 && json.title === topic.title;
      if (!seen) await pass(500);
    }
    if (!seen) blind.push(reader.name);
  }
  await purge(tid, topic.cid);
  say({ blind });
})().catch((error) => say({ trouble: error.message }));
setTimeout(() => say({ trouble: 'the forum does not answer' }), 45000);
`;
}

const LIBRARY = `
const say = (value) => { console.log('${MARK}' + JSON.stringify(value)); process.exit(); };
const pass = (time) => new Promise((go) => setTimeout(go, time));
let cookie = '', token = '';
function call(at, method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { cookie, 'x-csrf-token': token, accept: 'application/json', 'content-type': 'application/json' };
    const options = Object.assign(require('url').parse(at + path), { method, headers, timeout: 10000 });
    const request = http.request(options, (response) => {
      let text = '';
      response.on('data', (chunk) => { text += chunk; });
      response.on('end', () => {
        const cookies = (response.headers['set-cookie'] || []).map((value) => value.split(';')[0]);
        let json;
        try { json = JSON.parse(text); } catch (error) { json = {}; }
        resolve({ status: response.statusCode, json, cookies, text });
      });
    });
    request.on('timeout', () => request.destroy ? request.destroy(new Error('timeout')) : request.abort());
    request.on('error', reject);
    request.end(body && JSON.stringify(body));
  });
}
async function login() {
  const before = await call(base, 'GET', '/api/config');
  cookie = before.cookies.join('; ');
  token = before.json.csrf_token;
  const answer = await call(base, 'POST', '/login', account);
  if (answer.status !== 200) throw new Error('the forum refuses the admin password that the cluster knows (' + answer.status + ')');
  if (answer.cookies.length > 0) cookie = answer.cookies.join('; ');
  token = (await call(base, 'GET', '/api/config')).json.csrf_token;
}
`;

/** From 2.0 on. */
const OVER_HTTP = `
async function post(topic) {
  const { status, json, text } = await call(base, 'POST', '/api/v3/topics', topic);
  if (status !== 200) throw new Error('posting: ' + status + ' ' + text.slice(0, 200));
  return json.response.tid;
}
async function purge(tid) { await call(base, 'DELETE', '/api/v3/topics/' + tid); }
`;

const OVER_SOCKET = `
let socket;
function emit(name, value) {
  const options = { extraHeaders: { cookie }, path: require('url').parse(base + '/socket.io').pathname };
  socket = socket || require('${HOME}/node_modules/socket.io-client')(base, options);
  return new Promise((resolve, reject) => socket.emit(name, value, (error, answer) => error ? reject(new Error(name + ': ' + error.message)) : resolve(answer)));
}
async function post(topic) { return (await emit('topics.post', topic)).tid; }
async function purge(tid, cid) {
  await emit('topics.delete', { tids: [tid], cid });
  await emit('topics.purge', { tids: [tid], cid });
}
`;
