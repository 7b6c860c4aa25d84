import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createRelay, createSshd, type Sshd } from '../../test/sshd.ts';
import type { SshError } from './errors.ts';
import type { Host, Job, Watch } from './host.ts';
import { retire } from './jobs.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';

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
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const job = (text: string, more: Partial<Job> = {}): Job => ({
  key: randomBytes(16).toString('hex'),
  script: { text },
  values: {},
  fence: 1,
  timeout: 20_000,
  ...more,
});

const failure = (running: Promise<unknown>): Promise<SshError> =>
  running.then(
    () => expect.fail('it ended well'),
    (error: SshError) => error,
  );

/** No two runs of these tests look for the same process. */
const nap = () => `sleep ${(8000 + Math.random()).toFixed(12)}`;
const folder = ({ key }: Job) => `${sshd.options.state}/jobs/${key}`;
/** A file that a script can count its runs in. */
const counting = () => `${sshd.folder}/count-${randomBytes(4).toString('hex')}`;
const count = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0);

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 400) throw new Error(`never: ${what}`);
    await pause(25);
  }
}

async function through(options: PoolOptions = {}) {
  const relay = await createRelay(sshd.port);
  const own = createPool({ ...sshd.options, keepalive: 500, ...options });
  closing.push(
    () => relay.close(),
    () => own.close(),
  );
  return { relay, host: await own.connect({ ...sshd.target, port: relay.port }) };
}

function collect(): { watch: Watch; log: () => Buffer } {
  const chunks: Buffer[] = [];
  return { watch: { onLog: (chunk) => void chunks.push(Buffer.from(chunk)) }, log: () => Buffer.concat(chunks) };
}

describe('a job', () => {
  test.each([0, 1, 77, 255])('ends with the exit code %i and the log of both streams', async (code) => {
    const output = await host.run(job(`echo out; echo err >&2; exit ${code}`));
    expect(output).toEqual({ exitCode: code, stdout: 'out\nerr\n', stderr: '' });
  });

  test('runs as root with clean surroundings and no input', async () => {
    const { stdout } = await host.run(job('id -u; pwd; umask; env | sort | cut -d= -f1 | xargs; wc -c'));
    expect(stdout).toBe('0\n/\n0022\nFARWEAVE_JOB HOME LANG LC_ALL LOGNAME PATH PWD USER\n0\n');
  });

  test('takes a script of any size and with any characters', async () => {
    const { exitCode, stdout } = await host.run(
      job(`# ${'x'.repeat(1 << 20)}\ncat <<'EOF'\n'"$\`\\ ünï\nEOF\nexit 11`),
    );
    expect([exitCode, stdout]).toEqual([11, `'"$\`\\ ünï\n`]);
  });

  test('runs once, however often it is asked for', async () => {
    const file = counting();
    const once = job(`echo run >> ${file}; echo log; exit 3`);
    const outputs = [
      await host.run(once),
      await host.run(once),
      ...(await Promise.all([host.run(once), host.run(once)])),
    ];
    expect(outputs).toEqual(Array.from({ length: 4 }, () => ({ exitCode: 3, stdout: 'log\n', stderr: '' })));
    expect(count(file)).toBe(1);
  });

  test('runs once when two workers start it at the same moment', async () => {
    const other = await through();
    for (let n = 0; n < 12; n++) {
      const file = counting();
      const raced = job(`echo run >> ${file}; echo log; exit ${n}`);
      const outputs = await Promise.all([host.run(raced), other.host.run(raced), host.run(raced)]);
      expect(outputs.map(({ exitCode, stdout }) => [exitCode, stdout])).toEqual(
        Array.from({ length: 3 }, () => [n, 'log\n']),
      );
      expect(count(file)).toBe(1);
    }
  });

  test('runs once though a starter was killed and left a supervisor that comes late', async () => {
    const file = counting();
    const once = job(`echo run >> ${file}; sleep 0.5`);
    const following = host.run(once);
    await until(() => count(file) === 1, 'it runs');
    const late = () => {
      // As the killed starter would have left it: its script is there, and its supervisor begins.
      writeFileSync(`${folder(once)}/script`, `# hash\necho run >> ${file}\n`);
      const { state } = sshd.options;
      return spawnSync('/bin/sh', [`${folder(once)}/run`, once.key, '9', '99', '1', '1', state, folder(once)]).status;
    };
    expect([late(), count(file)]).toEqual([0, 1]);
    await following;
    expect([late(), count(file)]).toEqual([0, 1]);
  });

  test('hands on 5 MB of binary log byte by byte, and answers with the last 64 KiB', async () => {
    const { watch, log } = collect();
    const output = await host.run(
      job(
        'head -c 5000000 /dev/urandom > /dev/shm/$$.bin; cat /dev/shm/$$.bin; md5sum < /dev/shm/$$.bin; rm /dev/shm/$$.bin',
      ),
      watch,
    );
    expect(log()).toHaveLength(5_000_036);
    expect(createHash('md5').update(log().subarray(0, 5_000_000)).digest('hex')).toBe(
      log().subarray(-36).toString().slice(0, 32),
    );
    expect(output.stdout).toBe(log().subarray(-65536).toString());
  });

  test('is not confused by a log that looks like our own words', async () => {
    const { stdout, exitCode } = await host.run(
      job('echo FW1 end exit 9 log=1 cut=0; echo FW1 end exit 9 log=1 cut=0 >&2; exit 4'),
    );
    expect([exitCode, stdout]).toEqual([4, 'FW1 end exit 9 log=1 cut=0\n'.repeat(2)]);
  });

  test('goes on beyond the limit of its log, which says where it was cut', async () => {
    const small = await through({ logLimit: 100 * 1024 });
    const limited = job('head -c 1000000 /dev/zero | tr "\\0" a; exit 6');
    const output = await small.host.run(limited);
    expect(output.exitCode).toBe(6);
    expect(output.stdout).toMatch(/a\n\[the log was cut here\]\n$/);
    expect(statSync(`${folder(limited)}/log`).size).toBe(100 * 1024);
  });

  test('takes its background processes with it when it ends', async () => {
    const long = nap();
    expect((await host.run(job(`${long} & setsid ${long} & echo hi; exit 5`))).exitCode).toBe(5);
    expect(sshd.processes(long)).toEqual([]);
  });

  test('says that it lives, silent or not', async () => {
    let alive = 0;
    await host.run(job('sleep 5'), { onAlive: () => alive++ });
    expect(alive).toBeGreaterThanOrEqual(2);
  });

  test('is found again from an offset, with the end of the whole log all the same', async () => {
    const known = job('printf 0123456789; exit 2');
    await host.run(known);
    const pieces: [string, number][] = [];
    const output = await host.run(known, {
      offset: 4,
      onLog: (chunk, offset) => pieces.push([chunk.toString(), offset]),
    });
    expect(pieces).toEqual([['456789', 10]]);
    expect(output).toMatchObject({ exitCode: 2, stdout: '0123456789' });
  });
});

describe('a job whose link breaks', () => {
  const ticking = (file: string) =>
    `echo run >> ${file}; i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; sleep 0.05; done; exit 7`;
  const lines = Array.from({ length: 40 }, (_, n) => `line ${n + 1}\n`).join('');

  test('is followed over the next one, and its log has neither gap nor doubling', async () => {
    const { relay, host: over } = await through();
    const file = counting();
    const { watch, log } = collect();
    const running = over.run(job(ticking(file)), watch);
    for (let cuts = 0; cuts < 3; cuts++) {
      await pause(500);
      relay.cut();
    }
    expect(await running).toMatchObject({ exitCode: 7, stdout: lines });
    expect(log().toString()).toBe(lines);
    expect(count(file)).toBe(1);
    expect(relay.connections).toBeGreaterThan(2);
  });

  test('is followed though the link falls silent instead of breaking, and heartbeats go on meanwhile', async () => {
    const { relay, host: over } = await through({ readyTimeout: 2_000 });
    const file = counting();
    let alive = 0;
    const running = over.run(job(ticking(file)), { onAlive: () => alive++ });
    await pause(700);
    relay.freeze();
    await pause(4_000);
    relay.thaw();
    expect(await running).toMatchObject({ exitCode: 7, stdout: lines });
    expect(count(file)).toBe(1);
    expect(alive).toBeGreaterThanOrEqual(2);
  });

  test('is followed over a restart of the host’s sshd', async () => {
    const own = await createSshd();
    closing.push(() => own.remove());
    const other = createPool(own.options);
    closing.push(() => other.close());
    const file = counting();
    const running = (await other.connect(own.target)).run(job(ticking(file)));
    await pause(700);
    own.stop();
    own.cut();
    await pause(500);
    await own.start();
    expect(await running).toMatchObject({ exitCode: 7, stdout: lines });
    expect(count(file)).toBe(1);
  });

  test('becomes Unreachable when the host stays away, and runs on', async () => {
    const { relay, host: over } = await through({ reconnect: 1_500 });
    const file = counting();
    const away = job(`sleep 3; echo ran >> ${file}`);
    const running = failure(over.run(away));
    await pause(500);
    relay.close();
    expect(await running).toMatchObject({ code: 'Unreachable' });
    expect((await host.run(away)).exitCode).toBe(0);
    expect(count(file)).toBe(1);
  });

  test('is found again, ran once and log complete, after its worker was killed time and again', async () => {
    const file = counting();
    const copy = `${sshd.folder}/copy`;
    writeFileSync(copy, '');
    const killed = job(ticking(file));
    const program = `
      import { appendFileSync, statSync } from 'node:fs';
      import { createPool } from ${JSON.stringify(new URL('./pool.ts', import.meta.url).href)};
      const { target, options, job, copy } = JSON.parse(process.argv[1]);
      const host = await createPool(options).connect(target);
      await host.run(job, { offset: statSync(copy).size, onLog: (chunk) => appendFileSync(copy, chunk) });`;
    for (let kills = 0; kills < 3; kills++) {
      const argument = JSON.stringify({ target: sshd.target, options: sshd.options, job: killed, copy });
      const worker = spawn(process.execPath, ['--input-type=module', '-e', program, argument], { stdio: 'inherit' });
      const before = statSync(copy).size;
      await until(() => statSync(copy).size > before, 'the worker follows the job');
      worker.kill('SIGKILL');
      await pause(100);
    }
    const output = await host.run(killed, {
      offset: statSync(copy).size,
      onLog: (chunk) => appendFileSync(copy, chunk),
    });
    expect(output.exitCode).toBe(7);
    expect(readFileSync(copy, 'utf8')).toBe(lines);
    expect(count(file)).toBe(1);
  });
});

describe('a job whose host lost its power', () => {
  test('ends as its status says, though less of its log reached the disk', async () => {
    const torn = job('echo one; echo two; exit 7');
    await host.run(torn);
    truncateSync(`${folder(torn)}/log`, 4);
    expect(await host.run(torn)).toMatchObject({ exitCode: 7, stdout: 'one\n\n[the log was cut here]\n' });
    const beyond = { offset: 8 }; // of an attempt that had read what is gone
    expect(await host.run(torn, beyond)).toMatchObject({ exitCode: 7, stdout: 'one\n\n[the log was cut here]\n' });
  });
});

describe('a job that is to end early', () => {
  test('is gone, all of it, when its cancellation is reported', async () => {
    const long = nap();
    const cancel = new AbortController();
    const stubborn = job(`echo begun; trap "" TERM; sh -c "${long}; :" & setsid ${long} & while :; do sleep 0.1; done`);
    const running = failure(host.run(stubborn, { cancel: cancel.signal }));
    await until(() => sshd.processes(long).length >= 2, 'it runs');
    cancel.abort();
    expect(await running).toMatchObject({ code: 'Cancelled', log: 'begun\n' });
    expect(sshd.processes(long)).toEqual([]);
    expect(sshd.processes(stubborn.key)).toEqual([]);
    expect(await failure(host.run(stubborn))).toMatchObject({ code: 'Cancelled' });
  });

  test('never starts if it was cancelled before', async () => {
    const file = counting();
    const early = job(`echo run >> ${file}`);
    expect(await failure(host.run(early, { cancel: AbortSignal.abort() }))).toMatchObject({ code: 'Cancelled' });
    expect(await failure(host.run(early))).toMatchObject({ code: 'Cancelled' });
    expect(count(file)).toBe(0);
  });

  test('is cancelled over a new link when the old one is gone', async () => {
    const long = nap();
    const { relay, host: over } = await through();
    const cancel = new AbortController();
    const running = failure(over.run(job(long), { cancel: cancel.signal }));
    await until(() => sshd.processes(long).length > 0, 'it runs');
    relay.cut();
    cancel.abort();
    expect(await running).toMatchObject({ code: 'Cancelled' });
    expect(sshd.processes(long)).toEqual([]);
  });

  test('is ended by the host itself when its time is over, with nobody there', async () => {
    const long = nap();
    const lone = createPool(sshd.options);
    const late = job(`echo begun; ${long}; echo never`, { timeout: 1_000 });
    const detached = failure((await lone.connect(sshd.target)).run(late));
    await until(() => sshd.processes(long).length > 0, 'it runs');
    await lone.close();
    expect(await detached).toMatchObject({ code: 'Detached' });
    await until(() => sshd.processes(long).length === 0, 'it is ended');
    expect(await failure(host.run(late))).toMatchObject({ code: 'TimedOut', log: 'begun\n' });
  });

  test('runs on when it is let go', async () => {
    const detach = new AbortController();
    const file = counting();
    const long = job(`sleep 1; echo ran >> ${file}; exit 9`);
    const running = failure(host.run(long, { detach: detach.signal }));
    await until(() => existsSync(`${folder(long)}/started`), 'it runs');
    detach.abort();
    expect(await running).toMatchObject({ code: 'Detached' });
    expect((await host.run(long)).exitCode).toBe(9);
    expect(count(file)).toBe(1);
  });

  test('is lost, and never started again, when its supervisor is killed', async () => {
    const long = nap();
    const file = counting();
    const doomed = job(`echo run >> ${file}; echo begun; ${long}`);
    const running = failure(host.run(doomed));
    await until(() => sshd.processes(long).length > 0, 'it runs');
    process.kill(Number(readFileSync(`${folder(doomed)}/pid`, 'utf8')), 'SIGKILL');
    expect(await running).toMatchObject({ code: 'JobLost', log: 'begun\n' });
    await until(() => sshd.processes(long).length === 0, 'nothing of it is left');
    expect(await failure(host.run(doomed))).toMatchObject({ code: 'JobLost' });
    expect(count(file)).toBe(1);
  });

  test('is lost when the host shuts down under it', async () => {
    const long = nap();
    const interrupted = job(long);
    const running = failure(host.run(interrupted));
    await until(() => sshd.processes(long).length > 0, 'it runs');
    process.kill(Number(readFileSync(`${folder(interrupted)}/pid`, 'utf8')), 'SIGTERM');
    expect(await running).toMatchObject({ code: 'JobLost' });
    expect(sshd.processes(long)).toEqual([]);
  });
});

describe('a job that must not start', () => {
  test('because its key belongs to another script is a KeyConflict', async () => {
    const file = counting();
    const first = job('exit 1');
    await host.run(first);
    const error = await failure(host.run({ ...first, script: { text: `echo run >> ${file}` } }));
    expect(error).toMatchObject({ code: 'KeyConflict' });
    expect(count(file)).toBe(0);
    expect((await host.run(first)).exitCode).toBe(1);
  });

  test('is told of the other script of its key once that has ended', async () => {
    const done = `${sshd.folder}/slow-one`;
    const first = job(`sleep 3; : > ${done}`);
    const running = host.run(first);
    await until(() => existsSync(`${folder(first)}/started`), 'it runs');
    const error = await failure(host.run({ ...first, script: { text: 'exit 1' } }));
    expect(error).toMatchObject({ code: 'KeyConflict' });
    expect(existsSync(done)).toBe(true);
    expect((await running).exitCode).toBe(0);
  });

  test('because a newer rollout has been there is Fenced, though what it had started can be followed', async () => {
    const own = await through({ state: `${sshd.folder}/fenced` });
    const file = counting();
    const old = job('exit 1', { fence: 41 });
    await own.host.run(old);
    await own.host.run(job('true', { fence: 42 }));
    const late = job(`echo run >> ${file}`, { fence: 41 });
    expect(await failure(own.host.run(late))).toMatchObject({ code: 'Fenced', fence: 41, seen: 42 });
    expect(count(file)).toBe(0);
    expect((await own.host.run(old)).exitCode).toBe(1);
    expect((await own.host.run({ ...late, fence: 42 })).exitCode).toBe(0);
    expect(readFileSync(`${sshd.folder}/fenced/fence`, 'utf8')).toBe('42\n');
    expect(readdirSync(`${sshd.options.volatile}/jobs`)).toEqual([]);
  });

  test('because the host cannot write says where', async () => {
    writeFileSync(`${sshd.folder}/file`, '');
    const own = await through({ state: `${sshd.folder}/file/state` });
    expect(await failure(own.host.run(job('true')))).toMatchObject({
      code: 'ProtocolError',
      message: expect.stringContaining(`${sshd.folder}/file/state/jobs`),
    });
  });

  test('because its key is none is refused before anything is sent', async () => {
    await expect(host.run(job('true', { key: '../../etc' }))).rejects.toThrow(TypeError);
  });
});

describe('a secret of a job', () => {
  test('stands in no argument, no environment, no log and no file, while it runs and after', async () => {
    const marker = `tr0ub4d0ur-${randomBytes(4).toString('hex')}`;
    const hidden = job('x=$fw_x_raw; sleep 1.8126; [ ${#x} -gt 10 ]', { values: { fw_x_raw: marker } });
    const running = host.run(hidden);
    await until(() => sshd.processes('sleep 1.8126').length > 0, 'it runs');
    expect(sshd.shows(marker)).toBe(false);
    expect(sshd.holds(marker)).toEqual([]);
    expect(await running).toMatchObject({ exitCode: 0, stdout: '' });
    expect(sshd.holds(marker)).toEqual([]);
  });

  test('left in memory by a crash is taken away by the next job', async () => {
    const crashed = job('true');
    await host.run(crashed);
    mkdirSync(`${sshd.options.volatile}/jobs/${crashed.key}`, { recursive: true });
    writeFileSync(`${sshd.options.volatile}/jobs/${crashed.key}/script`, 'secret');
    await host.run(job('true'));
    expect(existsSync(`${sshd.options.volatile}/jobs/${crashed.key}`)).toBe(false);
  });
});

describe('what jobs leave on a host', () => {
  test('is for root only', async () => {
    const private_ = job('true');
    await host.run(private_);
    expect(statSync(folder(private_)).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder(private_)))
      expect(statSync(`${folder(private_)}/${name}`).mode & 0o077).toBe(0);
  });

  test('is taken away when it is old and has ended, not while it runs', async () => {
    const detach = new AbortController();
    const [ended, running] = [job('true'), job('sleep 3')];
    await host.run(ended);
    const following = failure(host.run(running, { detach: detach.signal }));
    await until(() => existsSync(`${folder(running)}/started`), 'it runs');
    const old = Date.now() / 1000 - 20 * 86_400;
    for (const each of [ended, running]) utimesSync(folder(each), old, old);
    detach.abort();
    await following;
    await host.run(job('true')); // after the one that runs
    expect([existsSync(folder(ended)), existsSync(folder(running))]).toEqual([false, true]);
  });

  test('is taken away when its rollout is settled, and an attempt that comes late does not run it again', async () => {
    const own = await through({ state: `${sshd.folder}/settled` });
    const place = ({ key }: Job) => existsSync(`${sshd.folder}/settled/jobs/${key}`);
    const file = counting();
    const ended = job(`echo run >> ${file}`, { rollout: 'run-1', fence: 41 });
    const other = job('true', { rollout: 'run-0', fence: 40 });
    const [running, detach] = [job('sleep 3', { rollout: 'run-1', fence: 41 }), new AbortController()];
    await own.host.run(other);
    await own.host.run(ended);
    const following = failure(own.host.run(running, { detach: detach.signal }));
    await until(() => existsSync(`${sshd.folder}/settled/jobs/${running.key}/started`), 'it runs');
    const [told] = await own.host.ask([retire('run-1', 50, `${sshd.folder}/settled`)], {});
    expect(told).toMatchObject({ exitCode: 0, stderr: '' });
    expect([ended, running, other].map(place)).toEqual([false, true, true]);
    expect(await failure(own.host.run({ ...ended, fence: 49 }))).toMatchObject({ code: 'Fenced', seen: 50 });
    expect(count(file)).toBe(1);
    detach.abort();
    await following;
    expect((await own.host.run(job('true', { rollout: 'run-2', fence: 50 }))).exitCode).toBe(0);
    await own.host.ask([retire('run-1', 45, `${sshd.folder}/settled`)], {});
    expect(readFileSync(`${sshd.folder}/settled/fence`, 'utf8')).toBe('50\n');
  });

  test('is fenced when its rollout is settled, though no job has ever run there', async () => {
    const state = `${sshd.folder}/untouched`;
    const own = await through({ state });
    mkdirSync(state);
    expect(await own.host.ask([retire('run-1', 50, state)], {})).toMatchObject([{ exitCode: 0, stderr: '' }]);
    expect(await failure(own.host.run(job('true', { fence: 49 })))).toMatchObject({ code: 'Fenced', seen: 50 });
  });

  test('stays while its rollout lasts, though the clock of the host jumps by weeks', async () => {
    const [early, late] = [job('true', { rollout: 'run-1' }), job('true', { rollout: 'run-1' })];
    await host.run(early);
    const old = Date.now() / 1000 - 20 * 86_400;
    utimesSync(folder(early), old, old);
    await host.run(late);
    expect(existsSync(folder(early))).toBe(true);
  });

  test('stays when the clock of the host jumps back', async () => {
    const early = job('true');
    await host.run(early);
    const later = Date.now() / 1000 + 86_400;
    utimesSync(folder(early), later, later);
    await host.run(job('true'));
    expect(existsSync(folder(early))).toBe(true);
  });

  test('is no process', async () => {
    for (let n = 0; n < 5; n++) await host.run(job('true'));
    const left = () => sshd.processes(`${sshd.options.state}/jobs`);
    await until(() => left().length === 0, 'all supervisors are gone');
    expect(left()).toEqual([]);
  });
});
