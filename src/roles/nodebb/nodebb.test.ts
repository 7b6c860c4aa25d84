import { describe, expect, it, test } from 'vitest';
import { ran } from '../../../test/sh.ts';
import type { HostSpec, Stage } from '../../plan/plan.ts';
import { secret, type Text } from '../../ssh/command.ts';
import { findingContainer } from '../container.ts';
import { contexts, type Layout } from '../context.ts';
import { docker } from '../docker/index.ts';
import { mongodb } from '../mongodb/index.ts';
import type { Network } from '../network.ts';
import type { Operation } from '../operation.ts';
import { configOf, findingConfig, judgeConfig } from './config-json.ts';
import { containerOf } from './container.ts';
import { database, setup } from './database.ts';
import { CONFIG_PATH, Forum, front, listens } from './forum.ts';
import { nodebb } from './index.ts';
import { build, pulled, serving, stopped } from './operations.ts';
import { replicated } from './replicated.ts';
import { paused, schema } from './schema.ts';

const network: Network = {
  driver: 'wireguard',
  range: '10.200.0.0/16',
  prefix: 24,
  domain: 'farweave.local',
  mtu: 1320,
};
const machine = (index: number): HostSpec => ({
  name: `vm${index}`,
  site: 'ams1',
  index,
  address: `192.0.2.1${index}`,
  port: 22,
  user: 'root',
  labels: {},
  access: {},
});
const said = (stdout: string, exitCode = 0, stderr = '') => ({ exitCode, stdout, stderr });
const look = (value: object) => said(`farweave ${JSON.stringify(value)}\n`);

function stagesOf(section: object = {}, mongo: object = {}): readonly Stage[] {
  const { context, config } = laidOut(section, mongo);
  return nodebb.stages(config, context);
}

function laidOut(section: object = {}, mongo: object | null = {}, engine: object = {}) {
  const config = nodebb.config.parse(section);
  const layout: Layout = {
    cluster: 'demo',
    sites: {},
    hosts: [0, 1, 2].map(machine),
    network,
    sections: { docker: engine, nodebb: config, ...(mongo && { mongodb: mongodb.config.parse(mongo) }) },
  };
  return { config, context: contexts(layout, [docker, mongodb, nodebb])(nodebb) };
}

const stage = (stages: readonly Stage[], name: string) => stages.find(({ operation }) => operation === name)!;
const forumOf = (section: object = {}) => Forum.parse(stage(stagesOf(section), 'nodebb.start').args);
const old = { image: 'registry.example/nodebb:1.4.0' };

/** As the performer would fill it in. */
const filled = (content: Text) =>
  content
    .map((part) => (typeof part === 'string' ? part : 'secret' in part ? `<${part.secret} ${part.encoding}>` : '#'))
    .join('');

/** The script that an operation would run. */
function applied<Args>(operation: Pick<Operation<Args>, 'name'>, host: HostSpec, args: Args) {
  const { apply } = operation as Partial<Extract<Operation<Args>, { apply: unknown }>>;
  if (apply === undefined) throw new Error(`${operation.name} changes nothing`);
  return apply(host, args, { is: 'no', now: '', wanted: '' }, {});
}

describe('config.json', () => {
  it('gives NodeBB 4 a connection string, to its own account and to majorities', () => {
    const { mongo, ...rest } = JSON.parse(filled(configOf(machine(1), forumOf())));
    expect(mongo.uri).toBe(
      'mongodb://nodebb:<nodebb.databasePassword uri>@node0.farweave.local:27017,node1.farweave.local:27017,' +
        'node2.farweave.local:27017/nodebb?replicaSet=rs0&authSource=nodebb&w=majority',
    );
    expect(rest).toEqual({
      url: 'http://192.0.2.11:4567',
      port: 4567,
      secret: '<nodebb.secret json>',
      jobsDisabled: true,
      database: 'mongo',
    });
  });

  it('gives NodeBB 1.4 lists of hosts and ports', () => {
    expect(JSON.parse(filled(configOf(machine(0), forumOf(old)))).mongo).toEqual({
      host: 'node0.farweave.local,node1.farweave.local,node2.farweave.local',
      port: '27017,27017,27017',
      username: 'nodebb',
      password: '<nodebb.databasePassword json>',
      database: 'nodebb?replicaSet=rs0',
      options: { replSet: { socketOptions: { keepAlive: 5000, connectTimeoutMS: 5000 } } },
    });
  });

  it('lets one host alone run the jobs', () => {
    const forum = forumOf();
    const disabled = [0, 1, 2].map((n) => JSON.parse(filled(configOf(machine(n), forum))).jobsDisabled);
    expect(disabled).toEqual([false, true, true]);
  });

  it('lets no host that is new take the jobs over, wherever it stands in the file', () => {
    const { config, context } = laidOut();
    const on = [machine(3), ...context.on];
    expect(stage(nodebb.stages(config, { ...context, on }), 'nodebb.config').args).toMatchObject({ jobs: 'vm0' });
    expect(stage(nodebb.stages(config, { ...context, on: on.slice(2) }), 'nodebb.config').args).toMatchObject({
      jobs: 'vm1',
    });
  });

  it('has one URL on all hosts where there is one', () => {
    const forum = forumOf({ url: 'https://forum.example/talk/' });
    const urls = [0, 1].map((n) => JSON.parse(filled(configOf(machine(n), forum))).url);
    expect(urls).toEqual(['https://forum.example/talk', 'https://forum.example/talk']);
  });
});

describe('nodebb.config', () => {
  const forum = forumOf();
  const but = (...members: readonly number[]) => ({
    ...forum,
    members: members.map((index) => `node${index}.farweave.local:27017`),
  });
  const modern = (of: Forum) => filled(configOf(machine(0), of));

  /** What it says where such a file is, of this user. */
  function judged(content: string | undefined, wanted: Forum) {
    const there = content === undefined ? { missing: [CONFIG_PATH] } : { files: { [CONFIG_PATH]: content } };
    const { stdout } = ran(findingConfig(machine(0), wanted), { valueOf: (variable) => filled([variable]), ...there });
    const user = `${process.getuid?.()}:${process.getgid?.()}`;
    return judgeConfig(said(stdout), { ...wanted, user });
  }

  const oldForum = { ...forumOf(old), version: '1.4.0' };
  test.each([
    ['what it should be', modern(forum), forum, 'yes'],
    ['what it should be for 1.4', filled(configOf(machine(0), oldForum)), oldForum, 'yes'],
    ['three members, where there are more now', modern(forum), but(0, 1, 2, 3), 'yes'],
    [
      'the same for 1.4',
      filled(configOf(machine(0), oldForum)),
      { ...oldForum, members: but(0, 1, 2, 3).members },
      'yes',
    ],
    ['fewer members than it could', modern(but(0, 1)), but(0, 1, 2), 'no'],
    ['a member that has left', modern(forum), but(1, 2, 3), 'no'],
    ['another port of MongoDB', modern(forum).replaceAll('27017', '27018'), forum, 'no'],
    ['something else', modern(forum).replace('4567', '4568'), forum, 'no'],
    ['another password', modern(forum).replace('databasePassword uri', 'other'), forum, 'no'],
    ['nothing', undefined, forum, 'no'],
  ])('judges a file that says %s', (_, content, wanted, is) => {
    expect(judged(content, wanted).is).toBe(is);
  });

  it('is no reason to make the container anew where only the members differ', () => {
    const reads = (of: Forum) => filled(containerOf(machine(0), of).reads);
    expect(reads(but(1, 2, 3))).toBe(reads(forum));
    expect(reads({ ...forum, jobs: 'vm1' })).not.toBe(reads(forum));
  });
});

describe('the container', () => {
  it('starts the loader itself, whatever the entry point of the image', () => {
    const { flags, command, name } = containerOf(machine(0), forumOf());
    expect(name).toBe('nodebb');
    expect(flags).toEqual(
      expect.arrayContaining(['--init', '--entrypoint=node', '--user=1001:1001', '--publish=4567:4567']),
    );
    expect(command).toEqual(['loader.js', '--no-silent', '--no-daemon']);
  });

  it('is made anew when its configuration changes, and only then', () => {
    const labels = (section: object) =>
      Object.keys(findingContainer(containerOf(machine(0), forumOf(section))).variables ?? {});
    expect(labels({ url: 'https://forum.example' })).not.toEqual(labels({}));
    expect(labels({ admin: { email: 'somebody@example.org' } })).toEqual(labels({}));
  });

  it('keeps its modules, assets and uploads where they survive it', () => {
    const mounts = containerOf(machine(0), forumOf()).flags.filter((flag) => flag.startsWith('--mount='));
    expect(mounts.map((mount) => /target=([^,]+)/.exec(mount)?.[1])).toEqual([
      '/etc/resolv.conf',
      '/usr/src/app/config.json',
      '/usr/src/app/public/uploads',
      '/usr/src/app/logs',
      '/usr/src/app/build',
      '/usr/src/app/node_modules',
    ]);
  });

  test.each([
    ['4.11, which listens where it is told', { url: 'http://forum.example:8080' }, 4567],
    ['1.4, which listens where its URL points', { ...old, url: 'http://forum.example:8080' }, 8080],
    ['1.4 with a URL without a port', { ...old, url: 'http://forum.example' }, 4567],
  ])('publishes the port of %s', (_, section, port) => {
    expect(listens(forumOf(section))).toBe(port);
  });
});

describe('nodebb.serving', () => {
  test.each([
    ['NodeBB', 'HTTP/1.1 200 OK\nx-powered-by: NodeBB\n\n', 'yes'],
    ['NodeBB behind a proxy', 'HTTP/2 200\nX-Powered-By: NodeBB\n\n', 'yes'],
    // It answers /ping and / alike before it was ever set up.
    ['the installer', 'HTTP/1.1 200 OK\nx-powered-by: Express\n\n', 'no'],
    ['NodeBB too busy', 'HTTP/1.1 503 Service Unavailable\nx-powered-by: NodeBB\n\n', 'no'],
    ['a page that quotes the header', 'HTTP/1.1 200 OK\n\nsays x-powered-by: NodeBB\n', 'no'],
  ])('judges %s', (_, stdout, is) => {
    expect(serving.judge(said(stdout), machine(0), { url: null, port: 4567 }, {}).is).toBe(is);
  });

  it('says why nobody answers', () => {
    const output = said('', 7, 'connect ECONNREFUSED 192.0.2.10:4567');
    expect(serving.judge(output, machine(0), { url: null, port: 4567 }, {})).toMatchObject({
      is: 'no',
      now: 'connect ECONNREFUSED 192.0.2.10:4567',
    });
  });

  test.each([
    ['192.0.2.10', null, 'http://192.0.2.10:4567'],
    ['2001:db8::1', null, 'http://[2001:db8::1]:4567'],
    ['192.0.2.10', 'https://forum.example/talk/', 'http://192.0.2.10:4567/talk'],
  ])('asks %s for the front page of %s', (address, url, asked) => {
    expect(front(address, { url, port: 4567 })).toBe(asked);
  });
});

describe('nodebb.database', () => {
  const forum = forumOf();
  test.each([
    ['both roles', { roles: ['readWrite@nodebb', 'clusterMonitor@admin'] }, 'yes'],
    ['one role', { roles: ['readWrite@nodebb'] }, 'no'],
    ['another database', { roles: ['readWrite@other', 'clusterMonitor@admin'] }, 'no'],
    ['no account', {}, 'no'],
    ['no answer', { trouble: 'MongoDB does not answer' }, 'unknown'],
  ])('judges %s', (_, seen, is) => {
    expect(database.judge(look(seen), machine(0), forum, {}).is).toBe(is);
  });
});

describe('nodebb.setup', () => {
  const args = { ...forumOf(), username: 'admin', email: 'admin@example.com' };
  const counts = { administrators: 1, categories: 4, plugins: 9 };

  test.each([
    ['a forum', { counts }, 'yes'],
    ['an empty database', { counts: { administrators: 0, categories: 0, plugins: 0 } }, 'no'],
    ['a set-up that was cut short', { counts: { ...counts, plugins: 0 } }, 'no'],
    ['no account', {}, 'no'],
    ['no answer', { trouble: 'timed out' }, 'unknown'],
  ])('judges %s by the database', (_, seen, is) => {
    expect(setup.judge(look(seen), machine(0), args, {}).is).toBe(is);
  });

  it('asks the same as nodebb.database, so that a round trip needs to ask it once', () => {
    expect(setup.probe(machine(0), args, {})).toEqual(database.probe(machine(0), args, {}));
  });

  it('gives the answers by stdin: not one secret is an argument', () => {
    const { text, variables } = applied(setup, machine(0), args);
    const argv = text.slice(text.indexOf('| docker run'));
    expect(Object.keys(variables ?? {}).filter((name) => argv.includes(name))).toEqual([]);
    expect(text).toContain('"admin:password": "\'"$fw_nodebb_adminPassword_json"\'"');
  });

  it('gives 1.4 lists of hosts, and skips the build that it would throw away', () => {
    const { text } = applied(setup, machine(0), { ...args, ...forumOf(old) });
    expect(text).toContain('"mongo:port": "27017,27017,27017"');
    expect(text).toContain("replace('\\''/usr/src/app/build.js'\\''");
  });
});

test.each([
  ['built from this image', 'sha256:a\nsha256:a\n', 'yes'],
  ['built from another', 'sha256:b\nsha256:a\n', 'no'],
  ['not built', 'sha256:a\nnone\n', 'no'],
  ['not built, without the image', 'none\n', 'no'],
  ['not built, without Docker', '', 'no'],
])('nodebb.build judges assets %s', (_, stdout, is) => {
  expect(build.judge(said(stdout), machine(0), forumOf(), {}).is).toBe(is);
});

test.each([
  ['the image and its modules', 'sha256:a\n', 'yes'],
  ['the image alone', 'sha256:a\nno modules\n', 'no'],
  ['nothing', '', 'no'],
])('nodebb.pulled judges %s', (_, stdout, is) => {
  expect(pulled.judge(said(stdout), machine(0), { image: 'nodebb:4.11.2', version: '4.11.2' }, {}).is).toBe(is);
});

describe('nodebb.replicated', () => {
  const args = replicated.args.parse(stage(stagesOf(), 'nodebb.replicated').args);

  test.each([
    ['seen everywhere', { blind: [] }, { is: 'yes' }],
    ['not seen somewhere', { blind: ['vm2'] }, { is: 'no', now: 'not read on vm2' }],
    ['not written', { trouble: 'the forum refuses' }, { is: 'unknown', why: 'the forum refuses' }],
  ])('judges a topic %s', (_, seen, verdict) => {
    expect(replicated.judge(look(seen), machine(0), args, { 'host.key': {} })).toMatchObject(verdict);
  });

  function bases(keys: Readonly<Record<string, string>>) {
    const probe = replicated.probe(machine(1), args, { 'host.key': keys });
    return [...('text' in probe ? probe.text : '').matchAll(/"base":"([^"]+)"/g)].map(([, base]) => base);
  }

  it('reads through all hosts but the one that wrote, in the mesh', () => {
    const [vm0, vm1, vm2] = ['SHA256:a', 'SHA256:b', 'SHA256:c'] as const;
    expect(bases({ vm0, vm1, vm2 })).toEqual(['http://10.200.0.20:4567', 'http://10.200.2.20:4567']);
  });

  it('asks no host that the rollout does without', () => {
    expect(bases({ vm0: 'SHA256:a', vm1: 'SHA256:b', vm2: '' })).toEqual(['http://10.200.0.20:4567']);
  });
});

describe('a schema that is to change', () => {
  const forum = forumOf();
  const seen = (runs: string | undefined, found: object) =>
    said(`${runs === undefined ? '' : `runs ${runs}\n`}farweave ${JSON.stringify(found)}\n`);
  const roles = ['readWrite@nodebb'];

  test.each([
    ['NodeBB of before, of which the schema is older', 'nodebb:3', { roles, pending: 2 }, 'no', 'no'],
    ['NodeBB of before, of which the schema is the same', 'nodebb:3', { roles, pending: 0 }, 'yes', 'yes'],
    ['NodeBB of before, and the image that would know is not there yet', 'nodebb:3', {}, 'unknown', 'no'],
    ['no NodeBB, since a rollout has stopped it', undefined, { roles, pending: 2 }, 'yes', 'no'],
    ['no NodeBB, and the schema is changed', undefined, { roles, pending: 0 }, 'yes', 'yes'],
    ['no NodeBB ever', undefined, {}, 'yes', 'no'],
    ['NodeBB of this image, whose plugins have changes of their own', forum.image, { roles, pending: 1 }, 'yes', 'yes'],
    ['no answer of MongoDB', 'nodebb:3', { trouble: 'timed out' }, 'unknown', 'unknown'],
  ])('stops what is there, and is changed: %s', (_, runs, found, stops, changes) => {
    expect(paused.judge(seen(runs, found), machine(0), forum, {}).is).toBe(stops);
    expect(schema.judge(seen(runs, found), machine(0), forum, {}).is).toBe(changes);
  });

  it('says how much is to change', () => {
    expect(paused.judge(seen('nodebb:3', { roles, pending: 1 }), machine(0), forum, {})).toEqual({
      is: 'no',
      now: 'nodebb:3 serves',
      wanted: 'stopped for 1 change of the schema',
    });
  });

  it('is asked for in the same look as the account and the set-up', () => {
    expect(schema.probe(machine(0), forum, {})).toEqual(database.probe(machine(0), forum, {}));
    expect(paused.probe(machine(0), forum, {})).toEqual(database.probe(machine(0), forum, {}));
  });

  it('is changed on one host after all others have stopped, before any of them starts', () => {
    const [stop, change, go] = stagesOf().filter(({ operation }) => /paused|schema|start/.test(operation));
    expect(stop).toMatchObject({
      hosts: ['vm0', 'vm1', 'vm2'],
      scope: 'cluster',
      on: 'each',
      order: 'all',
      halts: true,
    });
    expect(change).toMatchObject({ operation: 'nodebb.schema', scope: 'cluster', order: { rolling: 1 } });
    expect(go).toMatchObject({ operation: 'nodebb.start' });
  });

  test.each([
    ['4', {}, /--entrypoint node \S+ nodebb upgrade -s$/m],
    ['1.4', old, /--entrypoint node \S+ app.js --upgrade$/m],
  ])('is changed by NodeBB %s itself', (_, section, run) => {
    expect(applied(schema, machine(0), forumOf(section)).text).toMatch(run);
  });
});

test.each([
  ['running', 'nodebb\n', 'no'],
  ['stopped', '', 'yes'],
])('nodebb.stopped judges a forum that is %s', (_, stdout, is) => {
  expect(stopped.judge(said(stdout), machine(0), {}, {}).is).toBe(is);
});

describe('the role', () => {
  it('stops on hosts that leave, and does nothing on the others', () => {
    const { config, context } = laidOut();
    const stages = nodebb.leave!(config, { ...context, leaving: [machine(3)] });
    expect(stages.map(({ operation, hosts }) => [operation, hosts])).toEqual([['nodebb.stopped', ['vm3']]]);
  });

  it('sets up once, restarts one host at a time, and verifies what it changed', () => {
    const stages = stagesOf();
    expect(stages.map(({ operation }) => operation)).toEqual([
      'nodebb.pulled',
      'nodebb.database',
      'nodebb.setup',
      'nodebb.config',
      'nodebb.build',
      'nodebb.paused',
      'nodebb.schema',
      'nodebb.start',
      'nodebb.serving',
      'nodebb.replicated',
    ]);
    expect(stage(stages, 'nodebb.setup')).toMatchObject({ scope: 'cluster', on: 'one' });
    expect(stage(stages, 'nodebb.start')).toMatchObject({
      order: { rolling: 1 },
      gate: { operation: 'nodebb.serving' },
    });
    expect(stage(stages, 'nodebb.replicated')).toMatchObject({ on: 'one', afterChange: true });
  });

  it('builds no assets for 1.4, whose image has them', () => {
    expect(stagesOf(old, { image: 'mongo:4.4.29' }).map(({ operation }) => operation)).not.toContain('nodebb.build');
  });

  it('names every secret that a stage uses', () => {
    const { config } = laidOut();
    const made = [...Object.keys(nodebb.secrets!(config)), ...Object.keys(mongodb.secrets!(mongodb.config.parse({})))];
    const used = stagesOf().flatMap(({ secrets }) => secrets);
    expect(used.filter((name) => !made.includes(name))).toEqual([]);
  });

  it('makes a password for the admin unless it is given one', () => {
    const secretsOf = (section: object) => nodebb.secrets!(nodebb.config.parse(section));
    expect(secretsOf({})['nodebb.adminPassword']).toMatchObject({ generate: { length: 20 } });
    expect(secretsOf({ admin: { password: { env: 'PASSWORD' } } })['nodebb.adminPassword']).toEqual({
      env: 'PASSWORD',
    });
  });

  it('says where the forum is and how to log in, and no password', () => {
    const { config, context } = laidOut({ admin: { password: { env: 'PASSWORD' } } });
    expect(nodebb.outputs!(config, context).map(({ value }) => value)).toEqual([
      'http://192.0.2.10:4567',
      'http://192.0.2.11:4567',
      'http://192.0.2.12:4567',
      'admin, password in $PASSWORD',
    ]);
  });

  test.each([
    ['its defaults', {}, {}, []],
    ['no MongoDB', {}, null, ['error ']],
    ['an image without a version', { image: 'nodebb:latest' }, {}, ['error version']],
    ['a version too old', { image: 'nodebb:1.3.0' }, { image: 'mongo:4.4.29' }, ['error image']],
    ['a version too new', { image: 'nodebb:5.0.0' }, {}, ['error image']],
    ['1.4 with MongoDB 4.4', old, { image: 'mongo:4.4.29' }, []],
    ['1.4 with a MongoDB it cannot speak to', old, { image: 'mongo:8.0.17' }, ['error image']],
  ])('with %s has its say', (_, section, mongo, problems) => {
    const { config, context } = laidOut(section, mongo);
    expect(nodebb.validate!(config, context).map(({ severity, path }) => `${severity} ${path.join('.')}`)).toEqual(
      problems,
    );
  });
});

it('is asked, and pointed to, where its host says that it is reached from outside', () => {
  const host = { ...machine(0), labels: { 'nodebb.front': '127.0.0.1:32768' } };
  expect(serving.probe(host, { url: null, port: 4567 }, {})).toEqual({ get: 'http://127.0.0.1:32768/' });
  expect(serving.probe(host, { url: 'https://x.example/forum/', port: 4567 }, {})).toEqual({
    get: 'http://127.0.0.1:32768/forum/',
  });
});

it('says which host is labelled with something else than host:port', () => {
  const { config, context } = laidOut();
  const labelled = context.on.map((host) => ({
    ...host,
    labels: { 'nodebb.front': host.name === 'vm1' ? 'a b' : 'a:1' },
  }));
  const problems = nodebb.validate!(config, { ...context, on: labelled, hostsOf: () => labelled });
  expect(problems.map(({ message }) => message)).toEqual(['the label nodebb.front of vm1 wants host:port, not a b']);
});

it('needs Docker where it is to run', () => {
  const { config, context } = laidOut({}, {}, { hosts: ['vm1', 'vm2'] });
  expect(nodebb.validate!(config, context)).toEqual([{ severity: 'error', path: [], message: 'needs Docker on vm0' }]);
});

it('writes a secret where it can be filled in', () => {
  expect(configOf(machine(0), forumOf())).toContainEqual(secret('nodebb.secret', 'json'));
});
