import { join } from 'node:path';
import { beforeAll, expect, inject, it } from 'vitest';
import { exec, type LabHost, up } from '../../src/lab/index.ts';
import type { DriftResult } from '../../src/workflows/contract.ts';
import { farweave, type Ran } from './farweave.ts';

let hosts: readonly LabHost[];

beforeAll(async () => {
  ({ hosts } = await up({ progress: () => undefined }));
});

it('names what somebody has changed on the hosts, and mends it', async () => {
  expect(await onDemo('drift')).toMatchObject({ exitCode: 0, output: expect.stringContaining('No drift: 3 hosts') });

  await on(0, 'docker stop nodebb');
  await on(0, "echo '# tried something' >> /etc/wireguard/fw0.conf");
  await on(1, 'DEBIAN_FRONTEND=noninteractive apt-get -q -y purge bind9-host');
  await on(2, 'ip route delete 10.200.0.0/16 dev fw0');

  const { exitCode, output } = await onDemo('drift', '--json');
  expect(exitCode).toBe(4);
  const { differences, clean } = JSON.parse(output.slice(output.indexOf('{'))) as DriftResult;
  expect(clean).toBe(false);
  const due = differences.filter(({ act }) => act !== 'nobody');
  expect(due.map(({ host, operation, now }) => `${host} ${operation}: ${now}`)).toEqual([
    'vm0 wireguard.join: another configuration',
    'vm0 nodebb.start: exited',
    'vm1 dns.install: without bind9-host',
    'vm2 wireguard.join: no route into the mesh',
  ]);
  for (const { wanted, repairable } of due) expect([wanted, repairable]).toEqual([expect.stringMatching(/./), true]);

  const mended = await onDemo('drift', '--repair', '--yes');
  expect(mended).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^done: \d+ changed/m) });
  expect(await onDemo('drift')).toMatchObject({ exitCode: 0, output: expect.stringContaining('No drift: 3 hosts') });
  console.log(`drift found and mended in ${Math.round(mended.seconds)} s`);
});

async function on(n: number, command: string): Promise<void> {
  const { exitCode, stdout, stderr } = await exec(hosts[n]!.name, ['sh', '-c', command]);
  expect(exitCode, `${command}: ${stdout}${stderr}`).toBe(0);
}

/** The CLI, on the cluster of the demo. */
const onDemo = (...args: readonly string[]): Promise<Ran> =>
  farweave(['--file', join(inject('demo'), 'cluster.yaml'), ...args]);
