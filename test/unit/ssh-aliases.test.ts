import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expanded } from '../../src/client/ssh-aliases.ts';
import { parseCluster } from '../../src/spec/parse.ts';
import { line, SpecError } from '../../src/spec/problem.ts';
import { farweave } from './cli-io.ts';
import { toys } from './toy.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'farweave-home-'));
  mkdirSync(join(home, '.ssh'));
});
afterEach(() => rmSync(home, { recursive: true }));

const write = (name: string, text: string) => writeFileSync(join(home, name), text);

const text = (access: string, hosts: string) => `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: toy }
sites: { ams: {} }
access: { ${access}, password: { env: P } } # by hand
hosts:
${hosts}
`;
const host = (name: string, address: string, more = '') =>
  `  - { name: ${name}, site: ams, address: ${address}${more} } # ${name}`;

const expand = (written: string) => expanded(written, { env: { ...process.env, HOME: home }, directory: home });
const read = async (written: string) => {
  const { cluster } = parseCluster(await expand(written), { file: 'cluster.yaml', written, roles: toys });
  return { hosts: cluster.hosts, bastions: cluster.bastions };
};
const problems = (written: string) =>
  expand(written).then(
    () => expect.fail('it was understood'),
    (error: unknown) => {
      if (!(error instanceof SpecError)) throw error;
      return error.problems.map(line);
    },
  );

/** A key as a line of known_hosts has it, and its fingerprint. */
function key(kind = 'ed25519'): { readonly line: string; readonly fingerprint: string } {
  const path = join(home, `key-${Math.random()}`);
  execFileSync('/usr/bin/ssh-keygen', ['-q', '-t', kind, '-N', '', '-f', path]);
  const fingerprint = execFileSync('/usr/bin/ssh-keygen', ['-lf', path], { encoding: 'utf8' }).split(' ')[1] ?? '';
  return { line: readFileSync(`${path}.pub`, 'utf8').split(' ').slice(0, 2).join(' '), fingerprint };
}

describe('aliases of ~/.ssh/config', () => {
  it('are written out, with Include and patterns, and the comments of the file stay', async () => {
    write('.ssh/config', `Include ${home}/more\nHost web*\n  User ada\n  Port 2222\n`);
    write('more', 'Host web1\n  HostName 192.0.2.7\n  IdentityFile ~/.ssh/web\n');
    const written = text('sshConfig: true', [host('vm0', 'web1'), host('vm1', '192.0.2.9')].join('\n'));
    const { hosts } = await read(written);
    expect(hosts).toMatchObject([
      { name: 'vm0', address: '192.0.2.7', user: 'ada', port: 2222, access: { privateKey: 'access.vm0.privateKey' } },
      { name: 'vm1', address: '192.0.2.9', user: 'root', port: 22, access: { password: 'access.password' } },
    ]);
    const explicit = await expand(written);
    expect(explicit).toContain('# by hand');
    expect(explicit).toContain('# vm0');
    expect(explicit).not.toContain('sshConfig');
    expect(explicit).toContain('file: ~/.ssh/web');
  });

  it('say less than the entry of the host, and more than access', async () => {
    write('.ssh/config', 'Host web\n  HostName 192.0.2.7\n  User ada\n  Port 2222\n');
    const hosts = [host('vm0', 'web', ', user: grace, port: 22'), host('vm1', 'web')].join('\n');
    expect(await read(text('sshConfig: true, user: bob, port: 99', hosts))).toMatchObject({
      hosts: [
        { user: 'grace', port: 22 },
        { user: 'ada', port: 2222 },
      ],
    });
  });

  it('bring bastions along, several hops too, one for all who go by it', async () => {
    write(
      '.ssh/config',
      `Host gate
  HostName gate.example.org
  User jump
  IdentityFile ~/.ssh/gate
Host inner
  HostName 10.0.0.1
  ProxyJump gate
Host a
  HostName 10.0.0.2
  ProxyJump inner
Host b
  HostName 10.0.0.3
  ProxyJump gate,ops@10.0.0.9:99
`,
    );
    const written = text(
      'sshConfig: true',
      [host('vm0', 'a'), host('vm1', 'b'), host('vm2', 'a', ', port: 2')].join('\n'),
    );
    const { hosts, bastions } = await read(written);
    expect(hosts.map(({ via }) => via)).toEqual(['inner', 'gate-10-0-0-9-by-gate', 'inner']);
    expect(bastions).toMatchObject({
      gate: { address: 'gate.example.org', user: 'jump', access: { privateKey: 'bastion.gate.privateKey' } },
      inner: { address: '10.0.0.1', via: 'gate', agent: true },
      'gate-10-0-0-9-by-gate': { address: '10.0.0.9', user: 'ops', port: 99, via: 'gate' },
    });
  });

  it('leave a bastion as the file has it, and a host that says itself how it is reached', async () => {
    write('.ssh/config', 'Host gate\n  HostName 192.0.2.1\nHost a b\n  HostName 10.0.0.2\n  ProxyJump gate\n');
    const own = 'bastions: { gate: { address: 192.0.2.99, password: { env: G } } }\n';
    const hosts = [host('vm0', 'a'), host('vm1', 'b', ', via: none')].join('\n');
    expect(await read(own + text('sshConfig: true', hosts))).toMatchObject({
      hosts: [{ via: 'gate' }, { name: 'vm1', address: '10.0.0.2' }],
      bastions: { gate: { address: '192.0.2.99' } },
    });
  });

  it('may stand in another file, beside the cluster file', async () => {
    write('hosts.conf', 'Host web\n  HostName 192.0.2.7\n');
    expect((await read(text('sshConfig: hosts.conf', host('vm0', 'web')))).hosts[0]?.address).toBe('192.0.2.7');
  });

  it('that cannot be understood are told where they stand in the file', async () => {
    const written = text('sshConfig: true', [host('vm0', 'a'), host('vm1', 'b')].join('\n'));
    expect(await problems(written)).toEqual([`cluster.yaml:5 access.sshConfig: there is no file ${home}/.ssh/config`]);
    write(
      '.ssh/config',
      'Host a\n  ProxyCommand nc %h %p\nHost b\n  ProxyJump c\nHost c\n  ProxyJump d\nHost d\n  ProxyJump c\n',
    );
    const said = await problems(written);
    expect(said[0]).toContain('cluster.yaml:7 hosts[0].address: goes by ProxyCommand (nc');
    expect(said[1]).toContain('cluster.yaml:8 hosts[1].address: ProxyJump leads in a circle: c → d → c');
    write('.ssh/config', 'Hots a\n');
    expect((await problems(written))[0]).toContain('ssh says:');
  });
});

describe('keys of known_hosts', () => {
  it('pin hosts and bastions that have no hostKey: plain, hashed, with a port, the best of several', async () => {
    const [plain, hashed, ported, rsa] = [key(), key(), key(), key('rsa')];
    write('.ssh/known_hosts', `192.0.2.1 ${rsa.line}\n192.0.2.1 ${plain.line}\n192.0.2.2 ${hashed.line}\n`);
    execFileSync('/usr/bin/ssh-keygen', ['-q', '-H', '-f', join(home, '.ssh/known_hosts')], { stdio: 'ignore' });
    appendFileSync(join(home, '.ssh/known_hosts'), `[192.0.2.3]:2222 ${ported.line}\n`);
    const pin = 'SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDgRtT1A1iD2vC0sZk';
    const hosts = [
      host('vm0', '192.0.2.1'),
      host('vm1', '192.0.2.2, via: gate'),
      host('vm2', '192.0.2.4'),
      host('vm3', '192.0.2.1', `, port: 9, hostKey: "${pin}"`),
    ];
    const gate = 'bastions: { gate: { address: 192.0.2.3, port: 2222, password: { env: G } } }\n';
    const read_ = await read(gate + text('knownHosts: true', hosts.join('\n')));
    expect(read_.hosts.map(({ hostKey }) => hostKey)).toEqual([plain.fingerprint, hashed.fingerprint, undefined, pin]);
    expect(read_.bastions).toMatchObject({ gate: { hostKey: ported.fingerprint } });
  });

  it('that are revoked are never taken', async () => {
    const [old, now] = [key(), key('ecdsa')];
    const revoked = `192.0.2.1 ${old.line}\n@revoked * ${old.line}\n`;
    write('.ssh/known_hosts', revoked);
    expect((await problems(text('knownHosts: true', host('vm0', '192.0.2.1'))))[0]).toContain(
      `cluster.yaml:7 hosts[0]: ${home}/.ssh/known_hosts revokes the key ${old.fingerprint} of 192.0.2.1`,
    );
    write('.ssh/known_hosts', `${revoked}192.0.2.1 ${now.line}\n`);
    const { hosts } = await read(text('knownHosts: true', host('vm0', '192.0.2.1')));
    expect(hosts[0]?.hostKey).toBe(now.fingerprint);
  });
});

it('is done for every command that reads the file, and problems stand where somebody has written them', async () => {
  write('.ssh/config', 'Host web\n  HostName 192.0.2.7\n  User ada\n');
  write('cluster.yaml', text('sshConfig: true', host('vm0', 'web')));
  expect(await farweave(['plan'], { cwd: home, env: { PATH: process.env['PATH'] ?? '' } })).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining('vm0 192.0.2.7'),
  });
  write('cluster.yaml', text('sshConfig: true', host('vm0', 'web', ', via: gate')));
  const said = await farweave(['validate'], { cwd: home, env: { PATH: process.env['PATH'] ?? '' } });
  expect(said.err).toContain('cluster.yaml:7 hosts[0].via: unknown bastion "gate"');
});

it('is never done by who has another home', () => {
  expect(() => parseCluster(text('sshConfig: true', host('vm0', 'web')), { file: 'cluster.yaml' })).toThrow(
    'access.sshConfig: is for files that the farweave command reads',
  );
});
