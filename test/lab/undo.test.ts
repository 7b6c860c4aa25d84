import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, inject, it } from 'vitest';
import { exec, type Lab, up } from '../../src/lab/index.ts';
import { farweave } from './farweave.ts';

let lab: Lab;
const good = join(inject('demo'), 'cluster.yaml');
const file = join(inject('demo'), 'undone.yaml');

beforeAll(async () => {
  lab = await up({ progress: () => undefined });
});

it('takes back on every host what a rollout changed that failed, and leaves all else running', async () => {
  const text = (await readFile(good, 'utf8'))
    .replace('docker:\n', 'docker:\n    settings: { max-concurrent-downloads: 6 }\n')
    .replace('roles:\n', 'roles:\n  system: { packages: [tree] }\n')
    .replace(lab.images.nodebb, `${lab.images.nodebb}-that-nobody-has`)
    .replace('onFailure: pause', 'onFailure: rollback');
  await writeFile(file, text);
  const before = await traces();
  try {
    const { exitCode, output } = await farweave(['--file', file, 'apply', '--yes']);
    expect(exitCode).toBe(1);
    // It had gone a good part of the way.
    for (const step of ['system.prerequisites', 'docker.configure'])
      for (const { name } of lab.hosts) expect(output).toContain(`${name} ${step}: Undone`);
    expect(output).toMatch(/nodebb\.pulled on vm\d: exit code 1/);
    expect(output).toMatch(/^undone: /m);
    expect(output).not.toContain('not taken back');
  } finally {
    await rm(file);
  }
  expect(await traces()).toEqual(before);
  expect(await farweave(['--file', good, 'apply', '--yes'])).toMatchObject({
    exitCode: 0,
    output: expect.stringContaining('done: 0 changed') as string,
  });
});

/** What the rollout above changes, with what it must leave alone: containers by their ids, and when they were started. */
function traces(): Promise<readonly string[]> {
  const look =
    "cat /etc/docker/daemon.json; command -v tree; ls /var/lib/farweave/receipts; docker inspect --format '{{.Id}} {{.State.StartedAt}}' $(docker ps --quiet)";
  return Promise.all(lab.hosts.map(async ({ name }) => (await exec(name, ['sh', '-c', look])).stdout));
}
