import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { farweave } from './cli-io.ts';

const GOOD = `apiVersion: farweave.dev/v1
kind: Cluster
metadata:
  name: forum
sites:
  ams: {}
access:
  user: vagrant
  password: { env: FARWEAVE_PASSWORD }
hosts:
  - { name: vm0, site: ams, address: 192.0.2.10 }
  - { name: vm1, site: ams, address: 192.0.2.11 }
roles:
  docker: {}
`;

let cwd: string;
const call = (...argv: string[]) => farweave(argv, { cwd });
const write = (text: string, file = 'cluster.yaml') => writeFileSync(join(cwd, file), text);

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'farweave-cli-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

describe('--help', () => {
  const controls = ['pause', 'resume', 'approve', 'retry', 'skip', 'batch', 'cancel', 'rollback'];
  const commands = ['init', 'validate', 'plan', 'apply', 'status', 'events', 'watch', 'verify', ...controls];

  const others = ['revisit', 'revisions', 'hostkeys', 'secrets', 'cluster', 'worker', 'dev', 'lab'];

  it.each([...commands, ...others, 'demo'])('teaches %s by examples', async (command) => {
    const { exitCode, out } = await call(command, '--help');
    expect(exitCode).toBe(0);
    expect(out).toContain('Examples:');
    expect(out).toMatch(new RegExp(`farweave( -f \\S+)? ${command}`));
  });

  it('lists every command, and says what exit codes mean', async () => {
    const { exitCode, out } = await call('--help');
    expect(exitCode).toBe(0);
    for (const command of [...commands, ...others]) expect(out).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    expect(out).toMatch(/^ {2}130 +interrupted/m);
  });
});

describe('a wrong command line', () => {
  it.each([
    { argv: ['aply'], says: 'Did you mean apply?' },
    { argv: ['dev', 'dwn'], says: 'Did you mean down?' },
    { argv: ['lab', 'foo'], says: 'farweave lab has: up, status, exec' },
    {
      argv: ['undo', '--help'],
      says: "unknown command 'undo'\n(Did you mean rollback?)\nfarweave has: init, validate",
    },
    { argv: ['-f', 'x.yaml', 'lab', 'foo', '--help'], says: 'farweave lab COMMAND --help teaches each' },
    { argv: ['plan', '--chek'], says: 'Did you mean --check?' },
    { argv: ['watch', 'soon'], says: 'whole number' },
    { argv: ['apply', '--plan', 'latest'], says: '16 hexadecimal digits' },
    { argv: ['init'], says: "missing required argument 'hosts'" },
    { argv: ['lab', 'delay', '20ms'], says: 'Wants a whole number' },
    { argv: ['lab', 'up', '--release', 'buster'], says: 'Allowed choices are trixie, bookworm' },
    { argv: ['batch', '0'], says: 'Wants a whole number, 1 at least' },
    { argv: ['batch', 'many'], says: 'Wants a whole number, 1 at least' },
    { argv: ['skip'], says: "missing required argument 'host'" },
    { argv: ['retry', '--step', 'mongodb.start'], says: '--step wants a host' },
    { argv: ['rollback', 'vm1', '--to', '3'], says: 'not two of them' },
    { argv: ['rollback', '--wave', 'vm1'], says: 'not two of them' },
    { argv: ['rollback', '--to', 'yesterday'], says: 'Wants a whole number, 1 at least' },
    { argv: ['events', '-n', 'all'], says: 'Wants a whole number, 1 at least' },
    { argv: ['dev', 'logs', 'database'], says: 'wants server or worker' },
  ])('$argv exits with 2 and says what was meant', async ({ argv, says }) => {
    const { exitCode, err, out } = await call(...argv);
    expect(err).toContain(says);
    expect(out).toBe('');
    expect(exitCode).toBe(2);
  });
});

describe('a wrong cluster file', () => {
  const wrong = [
    { what: 'no file', text: undefined, says: /^cluster\.yaml:1: there is no such file/ },
    { what: 'not YAML', text: 'hosts: [', says: /^cluster\.yaml:\d+/ },
    {
      what: 'an unknown key',
      text: GOOD.replace('docker: {}', 'docker: { pakage: x }'),
      says: /^cluster\.yaml:14 roles\.docker\.pakage: unknown key/,
    },
    {
      what: 'an unknown site',
      text: GOOD.replace('vm1, site: ams', 'vm1, site: fra'),
      says: /^cluster\.yaml:12 hosts\[1\]\.site/,
    },
  ];
  const commands = [
    ['validate'],
    ['plan'],
    ['plan', '--check'],
    ['apply', '--yes'],
    ['destroy', '--yes'],
    ['verify'],
    ['status'],
    ['watch'],
    ['pause'],
  ];
  const table = wrong.flatMap((file) => commands.map((argv) => ({ ...file, argv })));

  it.each(table)('with $what stops $argv with 2, before a server is started', async ({ text, argv, says }) => {
    if (text !== undefined) write(text);
    const { exitCode, err, out } = await call(...argv);
    expect(err).toMatch(says);
    expect(err).toContain('Nothing was touched.');
    expect(err).not.toContain('    at ');
    expect(out).toBe('');
    expect(exitCode).toBe(2);
  });

  it('is named as it was given', async () => {
    write(GOOD.replace('port', ''), 'shop.yaml');
    const { err } = await farweave(['-f', './shop.yaml', 'validate'], { cwd, env: { FARWEAVE_PASSWORD: 'x' } });
    expect(err).toBe('');
    write('a: 1', 'shop.yaml');
    expect((await call('-f', './shop.yaml', 'validate')).err).toMatch(/^\.\/shop\.yaml:1 /);
  });

  it('is one JSON document with all problems under --json', async () => {
    write(GOOD.replace('vm1, site: ams', 'vm0, site: fra'));
    const { exitCode, out } = await call('validate', '--json');
    const { error } = JSON.parse(out);
    expect(error.exitCode).toBe(2);
    expect(error.problems.map(({ path, line }: { path: string; line: number }) => ({ path, line }))).toEqual(
      expect.arrayContaining([
        { path: 'hosts[1].name', line: 12 },
        { path: 'hosts[1].site', line: 12 },
      ]),
    );
    expect(exitCode).toBe(2);
  });
});

describe('a missing secret', () => {
  it.each([[['apply', '--yes']], [['plan', '--check']]])('stops %j with 2 and names the variable', async (argv) => {
    write(GOOD);
    const { exitCode, err } = await call(...argv);
    expect(err).toContain('secret access.password: the environment variable FARWEAVE_PASSWORD is not set');
    expect(exitCode).toBe(2);
  });
});

describe('what asks about a cluster that was never rolled out', () => {
  it.each([
    ['status'],
    ['events'],
    ['watch'],
    ['pause'],
    ['skip', 'vm1'],
    ['cancel'],
    ['secrets', 'list'],
    ['revisit'],
    ['revisions'],
    ['hostkeys', 'list'],
    ['hostkeys', 'accept', 'vm0'],
  ])('%s says so, and starts no server', async (...argv) => {
    write(GOOD);
    const state = join(cwd, 'state');
    const { exitCode, err } = await farweave(argv, { cwd, env: { XDG_STATE_HOME: state } });
    expect(err).toBe('Nothing is known of the cluster forum here.\nfarweave apply begins it.\n');
    expect(exitCode).toBe(1);
    expect(existsSync(state)).toBe(false);
  });
});

it('starts no server of its own for the worker of a data center, where none is named and none has ever run', async () => {
  expect(await call('worker', '--site', 'ams')).toEqual({
    exitCode: 2,
    out: '',
    err: expect.stringContaining('--address HOST:PORT') as string,
  });
  expect(existsSync(join(cwd, '.local'))).toBe(false);
  expect(await call('worker', '--sessions', '0')).toMatchObject({
    exitCode: 2,
    err: expect.stringContaining('Wants a whole number, 1 at least.') as string,
  });
});

it('asks the server that a configuration file of Temporal names, though nothing ever ran here', async () => {
  write(GOOD);
  write('[profile.default]\naddress = "127.0.0.1:1"\n', 'temporal.toml');
  const env = { XDG_STATE_HOME: join(cwd, 'state'), TEMPORAL_CONFIG_FILE: join(cwd, 'temporal.toml') };
  const { exitCode, err } = await farweave(['status'], { cwd, env });
  expect(err).toContain('No Temporal server answers at 127.0.0.1:1.');
  expect(exitCode).toBe(3);
});

describe('validate', () => {
  it('says what the cluster is', async () => {
    write(GOOD);
    expect(await farweave(['validate'], { cwd, env: { FARWEAVE_PASSWORD: 'x' } })).toEqual({
      exitCode: 0,
      out: expect.stringMatching(/^cluster\.yaml: cluster forum, 2 hosts in 1 site, \d+ stages: good\n$/),
      err: '',
    });
  });

  it('gives hosts and sites as JSON', async () => {
    write(GOOD);
    const { out } = await farweave(['validate', '--json'], { cwd, env: { FARWEAVE_PASSWORD: 'x' } });
    expect(JSON.parse(out)).toEqual({ ok: true, cluster: 'forum', sites: ['ams'], hosts: ['vm0', 'vm1'] });
  });
});

describe('validate, before the secrets are there', () => {
  const message = 'the environment variable FARWEAVE_PASSWORD is not set: export FARWEAVE_PASSWORD=…';

  it('warns, and calls the file good', async () => {
    write(GOOD);
    const { exitCode, err } = await call('validate');
    expect(err).toBe(`warning: secret access.password: ${message}\n`);
    expect(exitCode).toBe(0);
    const { out } = await call('validate', '--json');
    expect(JSON.parse(out)).toMatchObject({ ok: true, missing: [{ name: 'access.password', message }] });
  });

  it('warns of a file that is not there, and runs no command', async () => {
    write(GOOD.replace('{ env: FARWEAVE_PASSWORD }', '{ file: password }'));
    expect((await call('validate')).err).toMatch(
      /^warning: secret access\.password: cannot read .*: there is no such file\n$/,
    );
    write(GOOD.replace('{ env: FARWEAVE_PASSWORD }', '{ command: [touch, ran] }'));
    expect((await call('validate')).err).toBe('');
    expect(existsSync(join(cwd, 'ran'))).toBe(false);
  });
});

describe('plan', () => {
  it('is printed without a server, and ends with its digest', async () => {
    write(GOOD);
    const { exitCode, out } = await call('plan');
    expect(out).toMatch(/^Plan for the cluster forum: 2 hosts in 1 site/);
    expect(out).toMatch(/^Digest {4}[0-9a-f]{16}\n$/m);
    expect(exitCode).toBe(0);
  });

  it('has the same digest as JSON, and another for another file', async () => {
    write(GOOD);
    const [, short] = /^Digest +([0-9a-f]+)$/m.exec((await call('plan')).out)!;
    const { digest, plan } = JSON.parse((await call('plan', '--json')).out);
    expect(digest.slice(0, 16)).toBe(short);
    expect(plan.hosts.map(({ name }: { name: string }) => name)).toEqual(['vm0', 'vm1']);
    write(GOOD.replace('192.0.2.11', '192.0.2.12'));
    expect(JSON.parse((await call('plan', '--json')).out).digest).not.toBe(digest);
  });

  it('never holds the value of a secret', async () => {
    write(GOOD);
    const { out } = await farweave(['plan', '--json'], { cwd, env: { FARWEAVE_PASSWORD: 'hunter2' } });
    expect(out).not.toContain('hunter2');
  });
});

describe('destroy', () => {
  it('touches nothing where nobody can be asked whether it is meant', async () => {
    write(GOOD);
    const { exitCode, err } = await call('destroy');
    expect(err).toMatch(/^Nobody can be asked here whether that is meant\./);
    expect(err).toContain('destroy --yes');
    expect(exitCode).toBe(2);
  });

  it('knows nothing to take away of a cluster that was never rolled out', async () => {
    write(GOOD);
    const { exitCode, err } = await call('destroy', '--yes');
    expect(err).toMatch(/^Nothing is known of the cluster \S+ here\./);
    expect(exitCode).toBe(1);
  });

  it('can be looked at first, and says what becomes of the data', async () => {
    write(GOOD);
    const kept = await call('plan', '--destroy');
    expect(kept.out).toMatch(/^The end of the cluster \S+: /);
    expect(kept.out).toContain('docker.install.withdraw');
    expect(kept.out).toMatch(/^Data +stays on the hosts$/m);
    expect((await call('plan', '--destroy', '--data')).out).toMatch(/^Data +erased for good$/m);
  });
});

describe('init', () => {
  it('writes a file that keeps hosts, users and ports', async () => {
    const { exitCode, out } = await call('init', '--name', 'shop', 'root@192.0.2.1', 'admin@192.0.2.2:2222');
    expect(out).toMatch(/^cluster\.yaml: cluster shop with 2 hosts\./);
    expect(exitCode).toBe(0);
    expect(readFileSync(join(cwd, 'cluster.yaml'), 'utf8')).toMatch(/port: 2222\n\s+user: admin/);
    expect((await call('validate')).exitCode).toBe(0);
  });

  it('does not replace a file unless forced', async () => {
    write('mine');
    const { exitCode, err } = await call('init', 'root@192.0.2.1');
    expect(err).toBe('cluster.yaml is there already.\n--force replaces it; -f writes to another place.\n');
    expect(exitCode).toBe(2);
    expect(readFileSync(join(cwd, 'cluster.yaml'), 'utf8')).toBe('mine');
    expect((await call('init', '--force', 'root@192.0.2.1')).exitCode).toBe(0);
  });

  it.each(['root@192.0.2.300', 'ro ot@192.0.2.1', 'root@192.0.2.1:ssh', 'root@$(id)'])(
    'refuses %j and writes nothing',
    async (host) => {
      const { exitCode } = await call('init', host);
      expect(exitCode).toBe(2);
      expect(() => readFileSync(join(cwd, 'cluster.yaml'))).toThrow('ENOENT');
    },
  );
});

describe('a Temporal server that does not answer', () => {
  it('is named, with what to do, and exits with 3', async () => {
    write(GOOD);
    const argv = ['--address', '127.0.0.1:9', 'status'];
    const { exitCode, err } = await call(...argv);
    expect(err).toMatch(/No Temporal server answers at 127\.0\.0\.1:9\.\n/);
    expect(err).not.toContain('    at ');
    expect(exitCode).toBe(3);
    expect((await call(...argv, '--debug')).err).toContain('    at ');
  }, 40_000);
});
