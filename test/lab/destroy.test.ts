import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { addHost, exec, type LabHost } from '../../src/lab/index.ts';
import { farweave, type Ran } from './farweave.ts';

let host: LabHost;
let before: Fingerprint;
let rolledOut: Ran;
const file = join(inject('demo'), 'parting.yaml');

/** A cluster of its own on a host that nobody has touched: the others stay as they are. */
beforeAll(async () => {
  host = await addHost('nyc', { progress: () => undefined });
  before = await fingerprint();
  const text = (await readFile(join(inject('demo'), 'cluster.yaml'), 'utf8'))
    .replace('name: forum', 'name: parting')
    .replace(/^hosts:\n[^]*?\n\n/m, `hosts:\n  - { name: ${host.name}, site: nyc, address: ${host.sshAddress} }\n\n`)
    .replaceAll(/^ *hosts: \[.*\]\n/gm, '');
  await writeFile(file, text);
  rolledOut = await farweave(['--file', file, 'apply', '--yes']);
});
afterAll(() => rm(file));

describe('a cluster that is destroyed', () => {
  it('was there, and had changed its host in every way that the roles know', async () => {
    expect(rolledOut.exitCode).toBe(0);
    const now = await fingerprint();
    expect(now.get('packages')).toContain('ii docker.io');
    expect(now.get('links')).toContain('docker0');
    expect(now.get('files')?.some((name) => name.startsWith('/etc/farweave/'))).toBe(true);
    await exec(host.name, ['sh', '-c', 'echo kept > /var/lib/nodebb/uploads/files/picture']);
  });

  it('asks first, and touches nothing where nobody can be asked', async () => {
    const { exitCode, output } = await farweave(['--file', file, 'destroy']);
    expect(exitCode).toBe(2);
    expect(output).toContain('destroy --yes');
  });

  it('leaves its host as it was found, but for what the documentation says', async () => {
    const { exitCode, output, seconds } = await farweave(['--file', file, 'destroy', '--yes']);
    expect(output).toMatch(/^done: \d+ changed/m);
    expect(output).not.toContain('not taken back');
    expect(exitCode).toBe(0);
    console.log(`destroyed in ${Math.round(seconds)} s`);
    expect(differences(before, await fingerprint())).toEqual({});
  });

  it('has left its data, which is gone only once somebody says so', async () => {
    const { stdout } = await exec(host.name, [
      'sh',
      '-c',
      'cat /var/lib/nodebb/uploads/files/picture; ls /var/lib/mongodb',
    ]);
    expect(stdout).toMatch(/^kept\n/);
    expect(stdout).toContain('WiredTiger');
    const { exitCode, output } = await farweave(['--file', file, 'destroy', '--data', '--yes']);
    expect(output).toContain(`${host.name} mongodb.erased: Done`);
    expect(exitCode).toBe(0);
    expect(
      (await exec(host.name, ['sh', '-c', 'ls -d /var/lib/mongodb /var/lib/nodebb /var/lib/farweave'])).stdout,
    ).toBe('');
    expect(differences(before, await fingerprint())).toEqual({});
  });

  it('is not there any more: a third time nothing is changed', async () => {
    const { exitCode, output } = await farweave(['--file', file, 'destroy', '--yes']);
    expect(output).toMatch(/^done: 0 changed/m);
    expect(exitCode).toBe(0);
    const status = await farweave(['--file', file, 'status']);
    expect(status.output).toMatch(/^Destroyed +on \d{4}-\d\d-\d\d by \S+; its data is erased$/m);
  });
});

/** What a look has found, in lines. */
type Fingerprint = ReadonlyMap<string, readonly string[]>;

/** What a machine is, as far as a rollout could have changed it. Versions are left out: what is upgraded stays so. */
const LOOKS = {
  packages: `dpkg-query -W -f '\${db:Status-Abbrev}\${Package}\\n'`,
  units: `systemctl list-unit-files --no-legend --plain | awk '{ print $1, $2 }'`,
  failed: `systemctl list-units --failed --no-legend --plain | awk '{ print $1 }'`,
  accounts: `cut -d: -f1 /etc/passwd; cut -d: -f1 /etc/group | sed 's/^/group /'`,
  links: 'ls /sys/class/net',
  routes: 'ip -4 route show | grep -v ^default',
  processes: `ps -eo comm= | grep -E 'docker|containerd|dnsmasq|wg|mongod|node|unattended' || :`,
  rules: `for t in iptables ip6tables; do command -v $t-save > /dev/null && $t-save | grep -E '^-A|^:(DOCKER|FARWEAVE)'; done; nft list ruleset 2>/dev/null | grep -E 'DOCKER|FARWEAVE' || :`,
  files: `find /etc /opt /root /srv /usr/local /var/lib /var/spool /run -xdev \\( -path /var/lib/apt -o -path /var/lib/dpkg -o -path /run/systemd -o -path /run/user -o -path /run/udev -o -path /var/lib/systemd -o -path /var/lib/mongodb -o -path /var/lib/nodebb \\) -prune -o -print`,
  contents: `find /etc -xdev -type f ! -name '*.cache' -exec sha256sum {} + | awk '{ print $2, $1 }'`,
};

async function fingerprint(): Promise<Fingerprint> {
  const looked = Object.entries(LOOKS).map(async ([what, command]) => {
    const { stdout } = await exec(host.name, ['sh', '-c', command]);
    return [what, [...new Set(stdout.split('\n').filter((line) => line.trim() !== ''))].toSorted()] as const;
  });
  return new Map(await Promise.all(looked));
}

/** What was brought by upgrades, by time or by the kernel. The rest would be ours. */
const EXPECTED: readonly RegExp[] = [
  // Copies that the tools for accounts and for configuration keep of what was before.
  /^[+-] \/etc\/(group|gshadow|passwd|shadow)- /,
  /^[+-] \/var\/lib\/ucf\/\S+\.\d$/,
  // Until the next restart: somebody has logged in, and accounts were made.
  /^\+ \/run\/(adduser|motd\.dynamic|sudo\/ts\b.*|unattended-upgrades\.lock)$/,
];

function differences(one: Fingerprint, other: Fingerprint): Readonly<Record<string, readonly string[]>> {
  const all = [...one].map(([key, was]) => {
    const is = other.get(key) ?? [];
    const lines = [
      ...was.filter((line) => !is.includes(line)).map((line) => `- ${line}`),
      ...is.filter((line) => !was.includes(line)).map((line) => `+ ${line}`),
    ];
    return [key, lines.filter((line) => !EXPECTED.some((pattern) => pattern.test(line)))] as const;
  });
  return Object.fromEntries(all.filter(([, lines]) => lines.length > 0));
}
