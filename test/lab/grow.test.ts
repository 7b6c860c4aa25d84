import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { addHost, exec, type Lab, type LabHost, up } from '../../src/lab/index.ts';
import { commandsOf } from '../readme.ts';
import { farweave, type Ran } from './farweave.ts';

let lab: Lab;
let added: LabHost;
let before: readonly string[];
let ran: Ran;
const file = join(inject('demo'), 'grown.yaml');

/** A fourth host: what is done once only must still go to those who have it. */
beforeAll(async () => {
  const quiet = { progress: () => undefined };
  lab = await up(quiet);
  before = await members();
  added = await addHost('fra', quiet);
  await copyFile(join(inject('demo'), 'cluster.yaml'), file);
  const { name, sshAddress, hostKey } = added;
  const [command = ''] = commandsOf('Then it lives');
  const words = command.split(' ').slice(1).join(' ').replace('vm3', name).replace('192.0.2.13', sshAddress).split(' ');
  ran = await farweave(['--file', file, ...words, '--role', 'mongodb', '--host-key', hostKey]);
});
afterAll(() => rm(file));

describe('a host that joins a cluster that serves', () => {
  it('is rolled out to', () => {
    expect(ran).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^done: \d+ changed/m) as string });
    expect(ran.output).toContain('4 voters survive the loss of no more hosts than 3 would');
  });

  it('becomes a member of the replica set, with a vote; the others are not started anew', async () => {
    const look = 'docker exec node3 mongosh --quiet --eval "print(JSON.stringify(db.hello()))"';
    const { stdout } = await exec(added.name, ['sh', '-c', look]);
    const hello = JSON.parse(stdout) as { hosts: string[]; secondary: boolean; setName: string };
    expect(hello).toMatchObject({ setName: 'rs0', secondary: true });
    const names = hello.hosts.map((name) => name.split('.')[0]);
    expect(new Set(names)).toEqual(new Set(['node0', 'node1', 'node2', 'node3']));
    expect(await members()).toEqual(before);
  });

  it('serves the forum', async () => {
    for (const { address } of [...lab.hosts, added]) {
      const response = await fetch(`http://${address}:4567`, { method: 'HEAD' });
      expect(response.status).toBe(200);
      expect(response.headers.get('x-powered-by')).toBe('NodeBB');
    }
  });

  it('stands in the cluster file, and is listed', async () => {
    const { stdout } = await farweave(['--file', file, 'host', 'list', '--json']);
    const { hosts } = JSON.parse(stdout) as { hosts: { name: string; state: string; roles: string[] }[] };
    expect(hosts.find(({ name }) => name === added.name)).toMatchObject({
      state: 'in',
      roles: expect.arrayContaining(['wireguard', 'mongodb', 'nodebb']) as string[],
    });
    const older = await farweave(['--file', join(inject('demo'), 'cluster.yaml'), 'apply', '--yes']);
    expect(older).toMatchObject({ exitCode: 2, output: expect.stringContaining(`${added.name}: in`) as string });
  });

  it('changes nothing when it is applied again', async () => {
    expect(await farweave(['--file', file, 'apply', '--yes'])).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('done: 0 changed') as string,
    });
  });
});

/** The members that were there before, by the ids of their containers and when they were started. */
function members(): Promise<readonly string[]> {
  const look = (n: number) => ['docker', 'inspect', '--format', '{{.Id}} {{.State.StartedAt}}', `node${n}`];
  return Promise.all([0, 1, 2].map(async (n) => (await exec(lab.hosts[n]!.name, look(n))).stdout));
}
