import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { exec, type Lab, up } from '../../src/lab/index.ts';
import { farweave, type Ran } from './farweave.ts';

/** What only the hosts can tell is found by the survey: named per host, before anything is changed anywhere. */
let lab: Lab;
let good: string;
const file = join(inject('demo'), 'refused.yaml');

beforeAll(async () => {
  lab = await up({ progress: () => undefined });
  good = await readFile(join(inject('demo'), 'cluster.yaml'), 'utf8');
});
afterEach(() => rm(file, { force: true }));

describe('a rollout that cannot succeed', () => {
  it('ends with the name of a host that cannot be reached', async () => {
    const address = lab.hosts[2]!.address.replace(/\d+$/, '253');
    const { output } = await refused((text) => text.replace(lab.hosts[2]!.address, address));
    expect(output).toMatch(/vm2\n\s+Unreachable/);
    expect(output).not.toMatch(/vm[01]\n\s+Unreachable/);
  });

  it('ends with the name of a host that refuses the password', async () => {
    const { output } = await refused((text) => text.replace(/(name: vm1\n)/, '$1    password: { file: wrong }\n'));
    expect(output).toMatch(/vm1\n\s+AuthenticationFailed/);
  });

  it('ends with the name of a host that shows another key than the one that is pinned', async () => {
    const other = `SHA256:${'A'.repeat(43)}`;
    const { output } = await refused((text) => text.replace(lab.hosts[0]!.hostKey, other));
    expect(output).toMatch(/vm0\n\s+HostKeyChanged/);
  });

  it('ends with the names of hosts that have too little space', async () => {
    const { output } = await refused((text) => text.replace('roles:\n', 'roles:\n  system: { freeSpace: 99999999 }\n'));
    expect(output).toMatch(/vm0[^]*MiB free on/);
  });

  it('ends with the name of a distribution that is not supported', async () => {
    await exec('vm1', [
      'sh',
      '-c',
      'cp -P /etc/os-release /root/os-release && rm /etc/os-release && printf "ID=alpine\\nVERSION_ID=3.20\\nPRETTY_NAME=\'Alpine Linux v3.20\'\\n" > /etc/os-release',
    ]);
    try {
      const { output } = await refused((text) => text);
      expect(output).toMatch(/vm1[^]*Alpine Linux v3\.20/);
    } finally {
      await exec('vm1', ['sh', '-c', 'rm /etc/os-release && mv /root/os-release /etc/os-release']);
    }
  });
});

/** Applies a spoilt cluster.yaml; nothing may be left of that on any host. */
async function refused(spoil: (text: string) => string): Promise<Ran> {
  // A wish that no host fulfils yet: it must not be fulfilled either.
  const text = spoil(good).replace('nodebb:\n', 'nodebb:\n    port: 4568\n');
  expect(text).not.toBe(good);
  await writeFile(join(inject('demo'), 'wrong'), 'not-the-password\n', { mode: 0o600 });
  await writeFile(file, text);
  const before = await traces();
  const ran = await farweave(['--file', file, 'apply', '--yes']);
  expect(ran).toMatchObject({ exitCode: 1 }); // shows what it printed if not
  expect(await traces()).toEqual(before);
  return ran;
}

/** What a change would add to: remote jobs, and containers by their ids. */
function traces(): Promise<readonly string[]> {
  const look = 'ls /var/lib/farweave/jobs /var/lib/farweave/receipts 2>&1; docker ps --quiet --no-trunc';
  return Promise.all(lab.hosts.map(async ({ name }) => (await exec(name, ['sh', '-c', look])).stdout));
}
