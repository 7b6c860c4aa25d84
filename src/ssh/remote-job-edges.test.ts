import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createRelay, createSshd, type Sshd } from '../../test/sshd.ts';
import type { Host, Job } from './host.ts';
import { createPool, type Pool } from './pool.ts';

vi.setConfig({ testTimeout: 30_000 });

let sshd: Sshd;
let pool: Pool;
let host: Host;
beforeAll(async () => {
  sshd = await createSshd();
  pool = createPool(sshd.options);
  host = await pool.connect(sshd.target);
});
afterAll(async () => {
  await pool.close();
  sshd.remove();
});

const job = (text: string, more: Partial<Job> = {}): Job => ({
  key: randomBytes(16).toString('hex'),
  script: { text },
  values: {},
  fence: 1,
  timeout: 20_000,
  ...more,
});
const folder = ({ key }: Job) => `${sshd.options.state}/jobs/${key}`;
const counting = () => `${sshd.folder}/count-${randomBytes(4).toString('hex')}`;
const count = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0);

test('a job whose host restarted under it is lost, and not run again', async () => {
  const file = counting();
  const interrupted = job(`echo run >> ${file}; echo begun`);
  await host.run(interrupted);
  // As a restart leaves it: it has begun, nobody holds its lock, and there is no end.
  writeFileSync(`${folder(interrupted)}/status`, `${' '.repeat(4095)}\n`);
  for (let tries = 0; tries < 2; tries++)
    await expect(host.run(interrupted)).rejects.toMatchObject({ code: 'JobLost', log: 'begun\n' });
  expect(count(file)).toBe(1);
});

test('of two scripts for one key that are started at the same moment one runs, and the other is a KeyConflict', async () => {
  for (let tries = 0; tries < 8; tries++) {
    const file = counting();
    const key = randomBytes(16).toString('hex');
    const ends = await Promise.allSettled(
      ['one', 'two'].map((name) => host.run(job(`echo ${name} >> ${file}; echo ${name}`, { key }))),
    );
    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as { code: string }] : []));
    const ran = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value.stdout] : []));
    expect(refused).toMatchObject([{ code: 'KeyConflict' }]);
    expect(ran).toEqual([readFileSync(file, 'utf8')]);
  }
});

describe('while another job runs on its host, whoever has left it there, a job', () => {
  const state = () => `${sshd.folder}/busy`;
  const started = ({ key }: Job) => existsSync(`${state()}/jobs/${key}/started`);
  let own: Pool;
  let busy: Host;
  beforeAll(async () => {
    own = createPool({ ...sshd.options, state: state(), margin: 0 });
    busy = await own.connect(sshd.target);
  });
  afterAll(() => own.close());

  async function left(fence: number): Promise<string> {
    const [file, detach] = [counting(), new AbortController()];
    const earlier = job(`echo first >> ${file}; sleep 4; echo over >> ${file}`, { fence });
    const following = busy.run(earlier, { detach: detach.signal }).catch((error: unknown) => error);
    while (count(file) === 0) await pause(20);
    detach.abort();
    expect(await following).toMatchObject({ code: 'Detached' });
    return file;
  }

  test('waits for its end, and the time that it has does not run meanwhile', async () => {
    const file = await left(1);
    let alive = 0;
    const later = job(`echo second >> ${file}`, { fence: 2, timeout: 1_500 });
    expect(await busy.run(later, { onAlive: () => alive++ })).toMatchObject({ exitCode: 0 });
    expect(readFileSync(file, 'utf8')).toBe('first\nover\nsecond\n');
    expect(alive).toBeGreaterThanOrEqual(2);
  });

  test('lets nothing of an earlier rollout start any more', async () => {
    const file = await left(3);
    const later = job(`echo second >> ${file}`, { fence: 4 });
    const running = busy.run(later);
    while (readFileSync(`${state()}/fence`, 'utf8') !== '4\n') await pause(20);
    const late = busy.run(job(`echo third >> ${file}`, { fence: 3 }));
    await expect(late).rejects.toMatchObject({ code: 'Fenced', seen: 4 });
    expect(started(later)).toBe(false);
    await running;
    expect(readFileSync(file, 'utf8')).toBe('first\nover\nsecond\n');
  });

  test('can be cancelled, and never starts', async () => {
    const [file, cancel] = [await left(5), new AbortController()];
    const waiting = job(`echo second >> ${file}`, { fence: 6 });
    const running = busy.run(waiting, { cancel: cancel.signal }).catch((error: unknown) => error);
    while (readFileSync(`${state()}/fence`, 'utf8') !== '6\n') await pause(20);
    cancel.abort();
    expect(await running).toMatchObject({ code: 'Cancelled' });
    await busy.run(job('true', { fence: 6 }));
    expect(readFileSync(file, 'utf8')).toBe('first\nover\n');
  });
});

test('lines of a megabyte that are no text arrive byte by byte, though the link breaks in the middle of them', async () => {
  const relay = await createRelay(sshd.port);
  const own = createPool({ ...sshd.options, keepalive: 500 });
  const over = await own.connect({ ...sshd.target, port: relay.port });
  const chunks: Buffer[] = [];
  let cuts = 0;
  const onLog = (chunk: Buffer) => {
    chunks.push(Buffer.from(chunk));
    // In the middle of what the host is sending.
    if (cuts < 3 && Buffer.concat(chunks).length > (cuts + 1) * 1_000_000) {
      cuts++;
      relay.cut();
    }
  };
  const line = `head -c 1048575 /dev/zero | tr '\\0' '\\377'; echo`;
  const { exitCode } = await over.run(job(`${line}; ${line}; ${line}; ${line}; exit 3`), { onLog });
  const expected = Buffer.concat(
    Array.from({ length: 4 }, () => [Buffer.alloc(1_048_575, 0xff), Buffer.from('\n')]).flat(),
  );
  expect(exitCode).toBe(3);
  expect(Buffer.concat(chunks).equals(expected)).toBe(true);
  expect(cuts).toBe(3);
  await own.close();
  relay.close();
});

test('what carries the mark of a job ends with it, though another started it, as in a container', async () => {
  const cancelled = job('sleep 8123');
  const [long, cancel] = [`sleep ${(8124 + Math.random()).toFixed(9)}`, new AbortController()];
  const running = host.run(cancelled, { cancel: cancel.signal }).catch((error: unknown) => error);
  while (sshd.processes('sleep 8123').length === 0) await pause(20);
  const elsewhere = spawn('/bin/sh', ['-c', `${long}; :`], { env: { FARWEAVE_JOB: cancelled.key }, detached: true });
  while (sshd.processes(long).length < 2) await pause(20);
  cancel.abort();
  expect(await running).toMatchObject({ code: 'Cancelled' });
  expect(sshd.processes(long)).toEqual([]);
  expect(elsewhere.pid).toBeGreaterThan(0);
});

test('a script lies in the folder of its job where nothing is in memory, and is gone as soon as it is read', async () => {
  const disk = mkdtempSync('/var/tmp/farweave-volatile-');
  try {
    const own = createPool({ ...sshd.options, state: `${disk}/state`, volatile: `${disk}/volatile` });
    const marker = `tr0ub4d0ur-${randomBytes(4).toString('hex')}`;
    const hidden = job('sleep 0.7; [ ${#x} -gt 10 ]', { values: { x: marker } });
    const running = (await own.connect(sshd.target)).run(hidden);
    while (!existsSync(`${disk}/state/jobs/${hidden.key}/started`)) await pause(20);
    await pause(200);
    expect(readdirSync(`${disk}/state/jobs/${hidden.key}`)).not.toContain('script');
    expect(existsSync(`${disk}/volatile`)).toBe(false);
    expect((await running).exitCode).toBe(0);
    await own.close();
  } finally {
    rmSync(disk, { recursive: true, force: true });
  }
});
