import { describe, expect, it, test } from 'vitest';
import { applied, contextOf, hostAt, network, said } from '../../../test/applied.ts';
import { ran } from '../../../test/sh.ts';
import type { Stage } from '../../plan/plan.ts';
import type { Text } from '../../ssh/command.ts';
import { findingContainer } from '../container.ts';
import { docker } from '../docker/index.ts';
import type { Role } from '../role.ts';
import { section as scripts } from '../script/config.ts';
import { Health, healthy } from './health.ts';
import { container } from './index.ts';
import { cleared, start, unclaimed } from './operations.ts';
import { published, publishing } from './ports.ts';
import { addressOf, containerOf, filesOf, placeOf, Service, slots } from './service.ts';

const hosts = [0, 1, 2].map((index) => hostAt(index));
const [host] = hosts as [(typeof hosts)[0]];

/** The services of a section, as their operations get them. */
function laidOut(section: object, script: object = {}) {
  const { config, context } = contextOf(container, section, hosts, [docker as Role]);
  const own = context.section.bind(context);
  const withScripts: typeof context = {
    ...context,
    section: (role) => (role.name === scripts.name ? (scripts.config.parse(script) as never) : own(role)),
  };
  const stages = container.stages(config, withScripts);
  const records = container.records!(config, context);
  return { config, context: { ...context, records }, stages, records };
}

const named = (stages: readonly Stage[], operation: { name: string }) =>
  stages.filter((stage) => stage.operation === operation.name);
const serviceOf = (wanted: object, name = 'web') =>
  Service.parse(named(laidOut({ [name]: { image: 'web:1', ...wanted } }).stages, start)[0]?.args);
const healthOf = (health: object) =>
  Health.parse(named(laidOut({ web: { image: 'web:1', health } }).stages, healthy)[0]?.args);
const problemsOf = (section: object) => {
  const { config, context } = laidOut(section);
  return container.validate!(config, context).map(({ path, message }) => `${path.join('.')}: ${message}`);
};
/** As the performer would fill it in. */
const filled = (content: Text) =>
  content.map((part) => (typeof part === 'string' ? part : 'secret' in part ? `<${part.secret}>` : '#')).join('');

describe('the stages of services', () => {
  const { stages } = laidOut(
    { redis: { image: 'redis:8', count: 1 }, web: { image: 'web:1', order: 'all', health: { tcp: 80, within: '5m' } } },
    { seed: { check: 'true', apply: 'true', after: 'redis', order: 'one' }, early: { check: 'true' } },
  );

  it('go service by service in the order of the file, with what comes after one behind it', () => {
    expect(stages.map(({ title, hosts: on }) => `${title}: ${on.length}`)).toEqual([
      'check for containers of others: 3',
      'remove services that are gone: 3',
      'pull redis: 1',
      'pull web: 3',
      'start redis: 1',
      'wait for redis: 1',
      'run seed: 3',
      'start web: 3',
      'wait for web: 3',
      'remove services from other hosts: 3',
    ]);
  });

  it('change one host after another unless told otherwise, each when the one before is well', () => {
    const [redis, web] = named(stages, start);
    expect(redis).toMatchObject({ order: { rolling: 1 }, gate: { operation: 'container.healthy' }, disrupts: true });
    expect(web).toMatchObject({ order: 'all', gate: { timeout: 300_000 } });
  });

  it('spare less than half of a service, and wait as long as the service is given', () => {
    expect(named(stages, healthy).map(({ spare, timeout }) => [spare, timeout])).toEqual([
      [1, 60_000],
      [1, 300_000],
    ]);
  });

  it('remove what is gone before anything starts, and what has moved when all is well', () => {
    expect(named(stages, cleared).map(({ args }) => args)).toEqual([
      { cluster: 'demo', services: { redis: null, web: null } },
      { cluster: 'demo', services: { redis: ['vm0'], web: null } },
    ]);
  });
});

describe('the container of a service', () => {
  const { flags, command, name } = containerOf(
    host,
    serviceOf({
      command: ['serve', 'a b'],
      entrypoint: '/bin/web',
      env: { A: 1 },
      files: { '/etc/web.conf': 'x' },
      ports: [8080, '127.0.0.1:90:9000'],
      volumes: { '/data': 'data', '/host': { from: '/', readOnly: true } },
      user: '1000:1000',
      flags: ['--memory=1g'],
    }),
  );

  it('is called like the service, and found under its name at a fixed address', () => {
    expect(name).toBe('web');
    const place = placeOf('web', {}, network);
    expect(flags).toEqual(expect.arrayContaining([`--ip=10.200.0.${place}`, '--hostname=web.farweave.local']));
  });

  it('has what the spec says of it', () => {
    expect(command).toEqual(['serve', 'a b']);
    expect(flags).toEqual(
      expect.arrayContaining([
        '--env-file=/etc/farweave/container/web/environment',
        '--publish=8080:8080/tcp',
        '--publish=127.0.0.1:90:9000/tcp',
        '--mount=type=bind,source=/var/lib/farweave-data/web/data,target=/data',
        '--mount=type=bind,source=/,target=/host,readonly',
        '--mount=type=bind,source=/etc/farweave/container/web/files/etc/web.conf,target=/etc/web.conf,readonly',
        '--user=1000:1000',
        '--entrypoint=/bin/web',
        '--memory=1g',
      ]),
    );
  });

  it('is told where it is, and its environment with secrets in their places', () => {
    const service = serviceOf({ env: { A: true, B: { env: 'X' }, C: { generated: 'shared' } } });
    const [environment] = filesOf(hosts[1]!, service);
    expect(filled(environment!.content)).toBe(
      `FARWEAVE_HOST=vm1\nFARWEAVE_SITE=ams1\nFARWEAVE_ADDRESS=${addressOf(hosts[1]!, service)}\n` +
        'A=true\nB=<container.web.B>\nC=<generated.shared>\n',
    );
  });

  test.each<[string, object, boolean]>([
    ['image', { image: 'web:2' }, true],
    ['environment', { env: { A: 2 } }, true],
    ['file', { files: { '/etc/web.conf': 'y' } }, true],
    ['port', { ports: [81] }, true],
    ['way to ask whether it is well', { health: { tcp: 1 } }, false],
    ['number of hosts', { count: 1 }, false],
  ])('with another %s is made anew: %j', (_, change, isAnew) => {
    const digest = (wanted: object) =>
      Object.keys(findingContainer(containerOf(host, serviceOf(wanted))).variables ?? {});
    expect(digest(change).join() !== digest({}).join()).toBe(isAnew);
  });
});

describe('container.start', () => {
  const service = serviceOf({
    env: { KEY: { env: 'KEY' } },
    files: { '/k': { file: 'k' } },
    volumes: { '/data': 'data' },
  });
  const { text, saves } = applied(start, host, service);

  it('takes all that a container is made from back with it', () => {
    expect(saves).toEqual([
      '/etc/farweave/container/web/environment',
      '/etc/farweave/container/web/files/k',
      '/etc/farweave/container/web/container.sh',
    ]);
  });

  it('gives no secret as an argument', () => {
    const argv = text.split('\n').filter((line) => /^\s*docker (?:run|start)|^install/.test(line));
    expect(argv).toHaveLength(4);
    expect(argv.join()).not.toMatch(/\$fw_(?!digest)/);
  });

  it('refuses a variable of several lines before it stops anything', () => {
    expect(text.indexOf('more than one line')).toBeGreaterThan(0);
    expect(text.indexOf('more than one line')).toBeLessThan(text.indexOf('docker stop'));
  });

  it('makes the folders that the service names, and leaves those of the host alone', () => {
    expect(text).toContain('install -d -o 0 -g 0 /var/lib/farweave-data/web/data');
    expect(applied(start, host, serviceOf({ volumes: { '/h': '/srv' } })).text).not.toContain('install -d -o');
  });

  test.each([
    ['runs as it should', 'wanted aa\nfound running aa\n', { is: 'yes' }],
    [
      'has files that somebody edited',
      'edited\nwanted aa\nfound running aa\n',
      { now: 'running, with files that were edited' },
    ],
    ['is not there, nor its files', 'edited\nwanted aa\n', { is: 'no', now: 'absent' }],
    ['was stopped', 'wanted aa\nfound exited aa\n', { is: 'no', now: 'exited' }],
  ])('sees that it %s', (_, stdout, verdict) => {
    expect(start.judge(said(stdout), host, service, {})).toMatchObject(verdict);
  });
});

describe('container.healthy', () => {
  const up = 'state running 2026-01-01T00:00:00.5Z 1767225604\n';
  test.each<[string, object, string, object]>([
    ['200', { http: { port: 80 } }, `${up}says 200\n`, { is: 'yes' }],
    ['a redirect', { http: { port: 80 } }, `${up}says 302\n`, { is: 'yes' }],
    [
      'an error',
      { http: { port: 80 } },
      `${up}says 503\n`,
      { now: 'answers 503', wanted: '200 to 399 from / on port 80' },
    ],
    ['the status that is asked for', { http: { port: 80, status: 401 } }, `${up}says 401\n`, { is: 'yes' }],
    ['another status', { http: { port: 80, status: 401 } }, `${up}says 200\n`, { is: 'no' }],
    ['no answer', { http: { port: 80 } }, `${up}says 000\n`, { now: 'no answer' }],
    ['an open port', { tcp: 80 }, `${up}says open\n`, { is: 'yes' }],
    ['a closed port', { tcp: 80 }, `${up}says closed\n`, { is: 'no' }],
    ['a command that succeeds', { command: ['x'] }, `${up}fine\nsays 0\n`, { is: 'yes' }],
    ['a command that fails', { command: ['x'] }, `${up}not yet\nsays 1\n`, { now: 'not yet' }],
    ['a container that runs', {}, up, { is: 'yes' }],
    ['one that has just been started', {}, up.replace('604', '602'), { now: 'just started' }],
    ['one that ends again and again', {}, 'state restarting x 1\n', { now: 'restarting' }],
    ['none', {}, 'state absent 1\n', { now: 'absent' }],
    ['no Docker', {}, 'state absent\n', { now: 'absent' }],
    ['nothing', {}, '', { is: 'unknown' }],
  ])('judges %s', (_, health, stdout, verdict) => {
    expect(healthy.judge(said(stdout), host, healthOf(health), {})).toMatchObject(verdict);
  });

  it('asks as often as it is told', () => {
    expect(healthy.interval!(healthOf({}))).toBe(2_000);
    expect(healthy.interval!(healthOf({ interval: '10s' }))).toBe(10_000);
  });
});

test.each([
  ['nothing', '', 'yes'],
  ['its own', 'web demo/container\n', 'yes'],
  ['what has another name', 'other /\n', 'yes'],
  ['one that a person made', 'web /\n', 'no'],
  ['one of another cluster', 'web other/container\n', 'no'],
  ['one of another role', 'web demo/mongodb\n', 'no'],
])('container.unclaimed finds %s under a name', (_, stdout, is) => {
  expect(unclaimed.judge(said(stdout), host, { cluster: 'demo', services: { web: null } }, {}).is).toBe(is);
});

describe('container.cleared', () => {
  const args = { cluster: 'demo', services: { web: null, redis: ['vm1'] } };
  test.each([
    ['what is for every host', 'web\n', 'vm0', { is: 'yes' }],
    ['what is for this host', 'web\nredis\n', 'vm1', { is: 'yes' }],
    ['what is for another host', 'web\nredis\n', 'vm0', { now: 'redis still there' }],
    ['what the cluster no longer has', 'old\n', 'vm0', { now: 'old still there' }],
  ])('judges %s', (_, stdout, name, verdict) => {
    const on = hosts.find((each) => each.name === name)!;
    expect(cleared.judge(said(stdout), on, args, {})).toMatchObject(verdict);
  });

  it('removes all but those, and can put them back', () => {
    const { text, saves } = applied(cleared, host, args);
    expect(text).toContain("keep=' web '");
    expect(saves).toEqual(['/etc/farweave/container']);
  });

  it('runs to that end on a host', () => {
    const programs = { docker: 'case $1 in ps) printf "web\\nold\\nredis\\n" ;; *) echo "$@" ;; esac' };
    const { stdout } = ran(applied(cleared, host, args), {
      valueOf: () => '',
      missing: ['/etc/farweave/container'],
      programs,
    });
    expect(stdout).toBe(
      ['old', 'redis'].map((name) => `removing ${name}\nstop ${name}\nrm --force --volumes ${name}\n`).join(''),
    );
  });

  it('removes everything where nothing is named, as of a host that leaves', () => {
    expect(cleared.judge(said('web\n'), host, { cluster: 'demo', services: {} }, {}).is).toBe('no');
  });
});

it('is taken off hosts that leave, whatever ran there', () => {
  const { config, context } = laidOut({ web: { image: 'x' } });
  const leaving = [{ ...hostAt(7), leaving: true as const }];
  expect(container.leave!(config, { ...context, leaving })).toMatchObject([
    { operation: 'container.cleared', hosts: ['vm7'], args: { cluster: 'demo', services: {} } },
  ]);
});

describe('the place of a service', () => {
  it('follows from its name alone: no other service moves it', () => {
    const alone = laidOut({ web: { image: 'x' } }).records;
    const among = laidOut({ a: { image: 'x' }, web: { image: 'x' }, z: { image: 'x' } }).records;
    expect(among.filter(({ name }) => name === 'web')).toEqual(alone);
    expect(alone).toHaveLength(3);
  });

  it.each([16, 20, 24, 26, 27])('lies apart from those of roles and of the host in a /%i', (prefix) => {
    const { first, last } = slots({ prefix });
    expect(first).toBeGreaterThan(20);
    expect(last).toBe(2 ** (32 - prefix) - 3);
    const places = Array.from({ length: 500 }, (_, n) => placeOf(`service-${n}`, {}, { ...network, prefix }));
    expect(Math.min(...places)).toBeGreaterThanOrEqual(first);
    expect(Math.max(...places)).toBeLessThanOrEqual(last);
    // Spread over all there are.
    expect(new Set(places).size).toBeGreaterThan(Math.min(300, last - first + 1) * 0.6);
  });

  it('can be said', () => {
    expect(laidOut({ web: { image: 'x', slot: 77, count: 1 } }).records).toEqual([
      { name: 'web', address: '10.200.0.77' },
    ]);
  });
});

describe('a section is refused', () => {
  const twins = () => {
    const first = placeOf('web', {}, network);
    const twin = Array.from({ length: 5000 }, (_, n) => `s${n}`).find((name) => placeOf(name, {}, network) === first)!;
    return { first, twin };
  };

  it('where two names come to one place, with a way out', () => {
    const { first, twin } = twins();
    expect(problemsOf({ web: { image: 'x' }, [twin]: { image: 'x' } })).toEqual([
      `${twin}: has the same place in each host's subnet as web (${first}): say slot: 32 here`,
    ]);
    expect(problemsOf({ web: { image: 'x' }, [twin]: { image: 'x', slot: 32 } })).toEqual([]);
  });

  test.each<[string, object, readonly string[]]>([
    [
      'with a place that is taken by others',
      { web: { image: 'x', slot: 10 } },
      ['web.slot: wants a place from 32 to 253'],
    ],
    [
      'with one port for two services on a host',
      { a: { image: 'x', ports: ['80:1'] }, b: { image: 'x', ports: ['127.0.0.1:80:2'], count: 1 } },
      ['b.ports.0: port 80 is published already, by a on vm0'],
    ],
    [
      'with one port twice',
      { a: { image: 'x', ports: [80, '80:81'] } },
      ['a.ports.1: port 80 is published already, here'],
    ],
    ['with a port that is none', { a: { image: 'x', ports: ['70000:1'] } }, ['a.ports.0: wants ports from 1 to 65535']],
    [
      'with a host that there is not',
      { a: { image: 'x', hosts: ['vn0'] } },
      ['a.hosts.0: unknown host "vn0"; did you mean "vm0"?'],
    ],
  ])('%s', (_, section, problems) => {
    expect(problemsOf(section)).toEqual(problems);
  });

  test.each<[string, object]>([
    [
      'one port on different hosts',
      { a: { image: 'x', ports: [80], hosts: ['vm0'] }, b: { image: 'x', ports: [80], hosts: ['vm1'] } },
    ],
    [
      'one port at different addresses',
      { a: { image: 'x', ports: ['127.0.0.1:80:80'] }, b: { image: 'x', ports: ['127.0.0.2:80:80'] } },
    ],
    ['one port for TCP and UDP', { a: { image: 'x', ports: [53, '53:53/udp'] } }],
  ])('not for %s', (_, section) => {
    expect(problemsOf(section)).toEqual([]);
  });

  it('with the name of a container of another role', () => {
    const { config, context } = laidOut({ node0: { image: 'x' } });
    const records = [...context.records, { name: 'node0', address: '10.200.0.10' }];
    expect(container.validate!(config, { ...context, records })).toMatchObject([{ path: ['node0'] }]);
  });

  it('where a host of it gets no Docker', () => {
    const { config, context } = laidOut({ web: { image: 'x', hosts: ['vm2'] } });
    const without = { ...context, hostsOf: () => hosts.slice(0, 2) };
    expect(container.validate!(config, without)).toMatchObject([{ path: ['web'], message: 'needs Docker on vm2' }]);
  });

  test.each<[string, object]>([
    ['two ways to be well', { health: { tcp: 1, command: ['x'] } }],
    ['a flag that is Farweave’s', { flags: ['--name=x'] }],
    ['two flags in one', { flags: ['-it --rm'] }],
    ['a command as a text', { command: 'serve' }],
    ['a variable of Farweave’s', { env: { FARWEAVE_HOST: 'x' } }],
    ['a relative path inside', { files: { 'etc/x': 'x' } }],
    ['a comma in a path, which would be an option of the mount', { volumes: { '/a,readonly': 'x' } }],
    ['a file above the folder that it is put in', { files: { '/../../../cron.d/x': 'x' } }],
    ['an option of Docker for an image', { image: '--privileged' }],
    ['a folder above', { volumes: { '/a': '../x' } }],
    ['a port of words', { ports: ['http'] }],
    ['a secret by nothing', { env: { A: {} } }],
  ])('with %s', (_, wanted) => {
    expect(container.config.safeParse({ web: { image: 'x', ...wanted } }).success).toBe(false);
  });
});

test.each([
  ['8080', { port: 8080, inside: 8080, protocol: 'tcp' }, '8080:8080/tcp'],
  ['80:8080', { port: 80, inside: 8080, protocol: 'tcp' }, '80:8080/tcp'],
  ['53:53/udp', { port: 53, inside: 53, protocol: 'udp' }, '53:53/udp'],
  ['127.0.0.1:9000', { ip: '127.0.0.1', port: 9000, inside: 9000, protocol: 'tcp' }, '127.0.0.1:9000:9000/tcp'],
  ['127.0.0.1:80:90', { ip: '127.0.0.1', port: 80, inside: 90, protocol: 'tcp' }, '127.0.0.1:80:90/tcp'],
])('publishes %s as Docker is told', (text, read, told) => {
  expect(published(text)).toEqual(read);
  expect(publishing(text)).toBe(told);
});

it('says where secrets come from, and a shared one once', () => {
  const { config } = laidOut({
    a: { image: 'x', env: { P: { generated: 'p' }, Q: { env: 'Q' } } },
    b: { image: 'x', files: { '/p': { generated: 'p' }, '/k': { file: 'k' } } },
  });
  expect(container.secrets!(config)).toEqual({
    'generated.p': { generate: { length: 32, alphabet: 'alphanumeric' } },
    'container.a.Q': { env: 'Q' },
    'container.b./k': { file: 'k' },
  });
});

it('tells where what is published can be reached, and nothing of what is not', () => {
  const { config, context } = laidOut({ web: { image: 'x', hosts: ['vm1'], ports: [8080, '127.0.0.1:90:90'] } });
  expect(container.outputs!(config, context)).toEqual([{ title: 'web on vm1', value: '192.0.2.11:8080' }]);
});
