import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { exec, type Lab, up } from '../../src/lab/index.ts';
import { farweave, type Ran } from './farweave.ts';

let lab: Lab;
let password: string;
let before: Member;
let ran: Ran;
let written: Written;
const good = join(inject('demo'), 'cluster.yaml');
const file = join(inject('demo'), 'cached.yaml');

/** What a writer with w: majority has counted. `slowest` in milliseconds. */
interface Written {
  readonly acknowledged: number;
  readonly refused: readonly string[];
  readonly lost: number;
  readonly slowest: number;
}

/** A setting of MongoDB is changed, under a writer that goes on all the time. */
beforeAll(async () => {
  lab = await up({ progress: () => undefined });
  const shown = await farweave(['--file', good, 'secrets', 'show', 'mongodb.adminPassword']);
  password = shown.stdout.trim();
  before = await primary();
  await writeFile(file, (await readFile(good, 'utf8')).replace('cacheGB: 0.25', 'cacheGB: 0.3'));
  const writing = write();
  ran = await farweave(['--file', file, 'apply', '--yes']);
  await exec(lab.hosts[0]!.name, ['touch', '/tmp/written.stop']);
  written = await writing;
  console.log(`changing a setting of MongoDB took ${ran.seconds.toFixed(0)} s; ${JSON.stringify(written)}`);
});
afterAll(() => rm(file, { force: true }));

describe('a setting of MongoDB that changes', () => {
  it('is rolled out', () => {
    expect(ran).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^done: \d+ changed/m) as string });
  });

  it('restarts the members one after another, the primary last', async () => {
    const started = (await members()).toSorted((one, other) => one.started.localeCompare(other.started));
    expect(started.map(({ name }) => name).at(-1)).toBe(before.name);
    expect(started.every(({ cache }) => cache === '0.3')).toBe(true);
  });

  it('costs no election time-out: the primary hands over as it ends', async () => {
    const next = await primary();
    expect(next.name).not.toBe(before.name);
    expect(next.reason).toMatch(/^stepUpRequest/);
  });

  it('loses no write that a majority had, and keeps no writer from going on', () => {
    expect(written.acknowledged).toBeGreaterThan(50);
    expect(written.refused).toEqual([]);
    expect(written.lost).toBe(0);
  });
});

it('goes back the same way, and then there is nothing to do', async () => {
  expect(await farweave(['--file', good, 'apply', '--yes'])).toMatchObject({ exitCode: 0 });
  expect((await members()).every(({ cache }) => cache === '0.25')).toBe(true);
  expect((await primary()).reason).toMatch(/^stepUpRequest/);
  const again = await farweave(['--file', good, 'apply', '--yes']);
  expect(again.output).toContain('done: 0 changed');
});

interface Member {
  readonly name: string;
  readonly started: string;
  readonly cache: string | undefined;
  readonly state: string;
  /** Of the election that made it the primary. */
  readonly reason: string | undefined;
}

function members(): Promise<readonly Member[]> {
  return Promise.all(
    lab.hosts.map(async (host, n) => {
      const name = `node${n}`;
      const inspected = await exec(host.name, ['docker', 'inspect', name]);
      const [{ State, Args }] = JSON.parse(inspected.stdout) as [{ State: { StartedAt: string }; Args: string[] }];
      const asked = await shell(host.name, ['docker', 'exec', '-i', name], LOOK);
      const seen = JSON.parse(asked) as Pick<Member, 'state' | 'reason'>;
      return { name, started: State.StartedAt, cache: Args[Args.indexOf('--wiredTigerCacheSizeGB') + 1], ...seen };
    }),
  );
}

async function primary(): Promise<Member> {
  const [one, ...others] = (await members()).filter(({ state }) => state === 'PRIMARY');
  expect(others).toEqual([]);
  return one!;
}

/** Runs JavaScript in MongoDB's shell, its password by stdin. Gives the last line that it printed. */
async function shell(host: string, run: readonly string[], code: string): Promise<string> {
  const script = `const password = ${JSON.stringify(password)};\n${code}`;
  const into = 'cat > /dev/shm/script.js; mongosh --quiet --nodb /dev/shm/script.js';
  const { stdout, stderr } = await exec(host, [...run, 'sh', '-c', into], { stdin: script });
  return stdout.trim().split('\n').at(-1) || stderr;
}

const LOOK = `
const db = new Mongo('127.0.0.1:27017').getDB('admin');
db.auth('admin', password);
const status = db.runCommand({ replSetGetStatus: 1 });
const self = status.members.filter((member) => member.self)[0];
const { lastElectionReason: reason } = status.electionCandidateMetrics || {};
print(JSON.stringify({ state: self.stateStr, reason }));`;

/** In a container of its own, so that it goes on when members stop. */
async function write(): Promise<Written> {
  const image = lab.images.mongodb;
  const hosts = lab.hosts.map((_, n) => `node${n}.farweave.local:27017`).join(',');
  const mounts = ['-v', '/etc/farweave/resolv.conf:/etc/resolv.conf:ro', '-v', '/tmp:/told'];
  const run = ['docker', 'run', '--rm', '-i', '--network', 'farweave', ...mounts, '--entrypoint', 'env', image];
  const code = `
const client = new Mongo('mongodb://admin:' + password + '@${hosts}/?replicaSet=rs0&authSource=admin&w=majority&retryWrites=true');
const writes = client.getDB('farweave').getCollection('writes');
writes.drop();
const acknowledged = [], refused = [];
let slowest = 0;
for (let n = 0; !require('fs').existsSync('/told/written.stop'); n++) {
  const begun = Date.now();
  try { writes.insertOne({ _id: n }); acknowledged.push(n); } catch (error) { refused.push(error.message); }
  slowest = Math.max(slowest, Date.now() - begun);
  sleep(100);
}
const there = {};
for (const { _id } of writes.find().toArray()) there[_id] = true;
const lost = acknowledged.filter((n) => !there[n]).length;
writes.drop();
print(JSON.stringify({ acknowledged: acknowledged.length, refused, lost, slowest }));`;
  await exec(lab.hosts[0]!.name, ['rm', '-f', '/tmp/written.stop']);
  return JSON.parse(await shell(lab.hosts[0]!.name, run, code)) as Written;
}
