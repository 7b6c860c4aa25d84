import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { down, look, up } from '../../src/client/dev/embedded.ts';
import { isAlive, startDetached } from '../../src/client/dev/process.ts';
import { readDevState } from '../../src/client/dev/state.ts';
import { farweave } from '../unit/cli-io.ts';

let state: string;
const env = { ...process.env, FARWEAVE_PASSWORD: 'hunter2' };
const around = { env, progress: () => {} };

beforeAll(() => {
  state = mkdtempSync(join(tmpdir(), 'farweave-dev-'));
});
afterAll(async () => {
  await down(state, () => {});
  rmSync(state, { recursive: true });
});

it('starts a server and a worker once, however many ask at the same time', async () => {
  const [one, other] = await Promise.all([up(state, around), up(state, around)]);
  expect(one).toEqual(other);
  expect(await up(state, around)).toEqual(one);
  expect(look(state)).toMatchObject({ server: { address: one.address }, worker: { current: true } });
  expect((await fetch(one.ui)).status).toBe(200);
});

it('hands no secret of its environment on to what stays behind', () => {
  const { server, worker } = readDevState(state);
  for (const process of [server!, worker!]) {
    const environment = readFileSync(`/proc/${process.pid}/environ`, 'utf8');
    expect(environment).toContain('PATH=');
    expect(environment).not.toContain('hunter2');
  }
});

it('brings both back after a kill -9, where they were and with what they knew', async () => {
  const before = await up(state, around);
  const connection = await Connection.connect({ address: before.address });
  await new Client({ connection }).workflow.start('rollout', { workflowId: 'kept', taskQueue: 'nobody', args: [] });
  await connection.close();
  const { server, worker } = readDevState(state);
  process.kill(server!.pid, 'SIGKILL');
  process.kill(worker!.pid, 'SIGKILL');

  const after = await up(state, around);
  expect(after).toEqual(before);
  expect(readDevState(state).worker?.pid).not.toBe(worker!.pid);
  const again = await Connection.connect({ address: after.address });
  const { status } = await new Client({ connection: again }).workflow.getHandle('kept').describe();
  expect(status.name).toBe('RUNNING');
  await again.close();
});

it('runs a worker for a site in the foreground until it is told to end, and says what it takes', async () => {
  const main = join(import.meta.dirname, '../../src/client/main.ts');
  const worker = spawn(process.execPath, [main, '--state', state, 'worker', '--site', 'ams'], { env });
  let out = '';
  worker.stdout.on('data', (text) => (out += text));
  worker.stderr.resume();
  const ended = once(worker, 'exit');
  while (!out.includes('Opens')) await Promise.race([pass(50), ended.then(() => Promise.reject(new Error(out)))]);
  expect(out).toContain(`takes the work on hosts of ams from farweave@ams at ${look(state).server!.address}`);
  expect(out).toContain(readFileSync(join(state, 'recipient'), 'utf8').trim());
  worker.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});

it('says what runs, ends what it started, and nothing else', async () => {
  const bystander = await startDetached('sleep', ['60'], {
    log: join(state, 'sleep.log'),
    env: process.env,
    cwd: state,
  });
  const { server, worker } = readDevState(state);
  const call = (...argv: string[]) => farweave(['--state', state, ...argv], { cwd: state });
  expect(JSON.parse((await call('dev', 'status', '--json')).out)).toMatchObject({ server: { pid: server!.pid } });
  expect((await call('dev', 'logs', 'worker')).out).toContain('RUNNING');
  expect(await call('dev', 'down')).toMatchObject({
    exitCode: 0,
    out: 'Server and worker have ended. Their data stays.\n',
  });
  expect([isAlive(server), isAlive(worker), isAlive(bystander)]).toEqual([false, false, true]);
  expect(await call('dev', 'status')).toMatchObject({ exitCode: 1 });
  expect(await call('dev', 'down')).toMatchObject({ out: 'Nothing ran.\n' });
  process.kill(bystander.pid);
});

it('never takes another process for one of its own, though it has the same id', () => {
  const { pid } = process;
  expect(isAlive({ pid, began: 'some other time' })).toBe(false);
});
