import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONTROLLER, exec, heal, kill, type Lab, partition, reboot, start, up } from '../../src/lab/index.ts';
import { type Command, type Output, script, secret, sh, text, writing } from '../../src/ssh/command.ts';
import type { SshError } from '../../src/ssh/errors.ts';
import type { Host, Job, Target } from '../../src/ssh/host.ts';
import { createPool, type Pool } from '../../src/ssh/pool.ts';
import { drop, restore } from '../../src/ssh/receipt.ts';
import { find, leave } from '../receipts.ts';

let lab: Lab;
const pools: Pool[] = [];
beforeAll(async () => {
  lab = await up({ progress: () => undefined });
});
afterAll(async () => {
  await heal();
  for (const pool of pools) await pool.close();
  for (const { name } of lab.hosts) await exec(name, ['rm', '-rf', PLACE.state, PLACE.volatile]);
});

/** The fence of a host belongs to its rollouts: the jobs here have one of their own. */
const PLACE = { state: '/var/lib/farweave-ssh-test', volatile: '/run/farweave-ssh-test' };

/** The first host of a release: what differs between distributions shows here. */
const RELEASES = ['trixie', 'bookworm'] as const;
type Release = (typeof RELEASES)[number];

function targetOf(release: Release): Target {
  const host = lab.hosts.find((candidate) => candidate.release === release);
  if (!host) throw new Error(`the lab has no host with ${release}`);
  const { name, sshAddress: address, port, user, password, hostKey } = host;
  return { name, address, port, user, password, hostKey };
}

async function connect(target: Target): Promise<Host> {
  const pool = createPool({ ...PLACE, grace: 2 });
  pools.push(pool);
  return pool.connect(target);
}

const job = (body: Command | string, more: Partial<Job> = {}): Job => ({
  key: randomBytes(16).toString('hex'),
  script: typeof body === 'string' ? { text: body } : body,
  values: {},
  fence: 0,
  timeout: 120_000,
  ...more,
});

const failure = (running: Promise<unknown>): Promise<SshError> =>
  running.then(
    () => expect.fail('it ended well'),
    (error: SshError) => error,
  );

/** As root on the host, past ssh. */
async function outside({ name }: Target, command: string): Promise<string> {
  return (await exec(name, ['sh', '-c', command])).stdout.trim();
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 300) throw new Error(`never: ${what}`);
    await pause(100);
  }
}

const running = (target: Target, what: string) => outside(target, `pgrep -fxc '${what}'`).then(Number);

describe.each(RELEASES)('a host with %s', (release) => {
  test('is asked as root, with sudo’s password in no argument and no environment', async () => {
    const target = targetOf(release);
    const host = await connect(target);
    const asking = host.ask([sh`id -u; sleep 3.401`], { fw_x_raw: 'tr0ub4d0ur' });
    await until(async () => (await running(target, 'sleep 3.401')) === 1, 'it asks');
    const shown = await outside(
      target,
      "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | grep -ac 'tr0ub4d0u[r]'",
    );
    expect(shown).toBe('0');
    expect(await asking).toEqual([{ exitCode: 0, stdout: '0\n', stderr: '' }]);
  });

  test('counts one attempt when sudo’s password is wrong', async () => {
    const target = targetOf(release);
    const failures = () =>
      outside(target, "journalctl -q --no-pager | grep -c 'sudo.*authentication failure'").then(Number);
    const before = await failures();
    const error = await failure((await connect({ ...target, sudoPassword: 'wrong' })).ask([sh`true`], {}));
    expect(error.code).toBe('SudoRefused');
    await until(async () => (await failures()) > before, 'it is in the journal');
    await pause(3_000);
    expect(await failures()).toBe(before + 1);
  });

  test('that asks for no password is sent none', async () => {
    const target = targetOf(release);
    await outside(target, `echo '${target.user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/zz-ssh-test`);
    try {
      const host = await connect({ ...target, sudoPassword: 'must-not-be-run-as-code' });
      expect(await host.ask([sh`id -u`], {})).toEqual([{ exitCode: 0, stdout: '0\n', stderr: '' }]);
    } finally {
      await outside(target, 'rm /etc/sudoers.d/zz-ssh-test');
    }
  });

  test('runs a job once, over a partition and restarts of its sshd', async () => {
    const target = targetOf(release);
    const host = await connect(target);
    const file = `/root/count-${randomBytes(4).toString('hex')}`;
    const log: Buffer[] = [];
    const body = `echo run >> ${file}; i=0; while [ $i -lt 90 ]; do i=$((i+1)); echo line $i; sleep 0.5; done; exit 7`;
    const following = host.run(job(body), { onLog: (chunk) => void log.push(chunk) });
    await until(async () => (await outside(target, `cat ${file}`)) === 'run', 'it runs');
    await partition(CONTROLLER, target.name);
    await pause(8_000);
    await heal();
    for (let n = 0; n < 2; n++) {
      await pause(4_000);
      await outside(
        target,
        'systemctl reset-failed ssh; systemctl kill -s KILL ssh; sleep 0.3; systemctl reset-failed ssh; systemctl restart ssh',
      );
    }
    expect((await following).exitCode).toBe(7);
    expect(Buffer.concat(log).toString()).toBe(Array.from({ length: 90 }, (_, n) => `line ${n + 1}\n`).join(''));
    expect(await outside(target, `cat ${file}; rm ${file}`)).toBe('run');
  });

  test('runs a job once when three workers start it at the same moment', async () => {
    const target = targetOf(release);
    const hosts = await Promise.all([connect(target), connect(target), connect(target)]);
    for (let n = 0; n < 8; n++) {
      const raced = job(`echo run >> /run/race-$FARWEAVE_JOB; cat /run/race-$FARWEAVE_JOB; exit ${n}`);
      const outputs = await Promise.all(hosts.map((host) => host.run(raced)));
      expect(outputs).toEqual(hosts.map(() => ({ exitCode: n, stdout: 'run\n', stderr: '' })));
      await outside(target, `rm /run/race-${raced.key}`);
    }
  });

  test('has nothing left of a job when its cancellation is reported, however it hid', async () => {
    const target = targetOf(release);
    const cancel = new AbortController();
    const hiding = job(
      "trap '' TERM; env -i setsid sh -c 'trap \"\" TERM; setsid sleep 3402 & sleep 3402' & sleep 3402 & while :; do sleep 0.2; done",
    );
    const following = failure((await connect(target)).run(hiding, { cancel: cancel.signal }));
    await until(async () => (await running(target, 'sleep 3402')) === 3, 'it hides');
    cancel.abort();
    expect((await following).code).toBe('Cancelled');
    expect(await running(target, 'sleep 3402')).toBe(0);
    expect(await outside(target, `systemctl list-units --all --no-legend 'farweave-${hiding.key}*'`)).toBe('');
  });

  test('ends a job itself when its time is over', async () => {
    const target = targetOf(release);
    const host = await connect(target);
    const error = await failure(host.run(job('echo begun; sleep 3403', { timeout: 2_000 })));
    expect(error).toMatchObject({ code: 'TimedOut', log: 'begun\n' });
    expect(await running(target, 'sleep 3403')).toBe(0);
  });

  test('keeps a secret in no argument, environment, log, journal or file', async () => {
    const target = targetOf(release);
    const host = await connect(target);
    const marker = `tr0ub4d0ur${randomBytes(4).toString('hex')}`;
    const body = script(
      sh`: ${secret('x')}`,
      writing('/run/ssh-test-secret', text`${secret('x')}`, { mode: '0600' }),
      sh`rm /run/ssh-test-secret; sleep 3.404`,
    );
    const values = { fw_x_raw: marker };
    // Written so that the search does not find itself.
    const pattern = `${marker.slice(0, -1)}[${marker.slice(-1)}]`;
    const shown = async () =>
      Number(
        await outside(target, `cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | grep -ac '${pattern}'`),
      );
    const whileIt = async (sleeps: string, doing: Promise<Output>) => {
      await until(async () => (await running(target, sleeps)) === 1, 'it runs');
      const [seen, output] = await Promise.all([shown(), doing]);
      expect(output.exitCode).toBe(0);
      return seen;
    };
    expect(await whileIt('sleep 3.405', host.run(job('SHOWN=$fw_x_raw sleep 3.405', { values })))).toBeGreaterThan(0);
    expect(await whileIt('sleep 3.404', host.run(job(body, { values })))).toBe(0);
    const folders = `${PLACE.state} ${PLACE.volatile} /var/lib/farweave /run/farweave /var/log /run/log /tmp /etc /root`;
    expect(await outside(target, `grep -rl '${pattern}' ${folders} 2>/dev/null; true`)).toBe('');
    expect(await outside(target, `journalctl -q --no-pager | grep -c '${pattern}'`)).toBe('0');
    expect(await outside(target, `ls ${PLACE.volatile}/jobs`)).toBe('');
  });

  test('says NoSpace when a job cannot be written down, and runs it once there is room', async () => {
    const target = targetOf(release);
    const folder = `/run/full-${randomBytes(4).toString('hex')}`;
    await outside(
      target,
      `mkdir ${folder} && mount -t tmpfs -o size=256k tmpfs ${folder} && head -c 1000000 /dev/zero > ${folder}/filler`,
    );
    const pool = createPool({ ...PLACE, state: `${folder}/state` });
    pools.push(pool);
    try {
      const host = await pool.connect(target);
      const waiting = job('echo ran; exit 2');
      expect(await failure(host.run(waiting))).toMatchObject({
        code: 'NoSpace',
        message: expect.stringContaining(folder),
      });
      await outside(target, `rm ${folder}/filler`);
      expect(await host.run(waiting)).toMatchObject({ exitCode: 2, stdout: 'ran\n' });
      const filling = job(`head -c 1000000 /dev/zero > ${folder}/filler; head -c 1000000 /dev/zero; exit 3`);
      expect((await host.run(filling)).exitCode).toBe(3);
    } finally {
      await pool.close();
      await outside(target, `umount -l ${folder}; rmdir ${folder}`);
    }
  });

  test('leaves a receipt before it changes, and goes back by it', async () => {
    const target = targetOf(release);
    const host = await connect(target);
    const receipt = `ssh-test-${randomBytes(4).toString('hex')}/01-test.write`;
    const path = `/etc/ssh test/it's.conf`;
    const change = writing(path, 'after');
    const asked = async () =>
      (await host.ask([find(receipt), sh`cat ${path}`], {})).map(({ exitCode, stdout }) => [exitCode, stdout]);
    expect(await asked()).toEqual([
      [1, ''],
      [1, ''],
    ]);
    expect((await host.run(job(leave(receipt, change)))).exitCode).toBe(0);
    expect(await asked()).toEqual([
      [0, ''],
      [0, 'after'],
    ]);
    expect((await host.run(job(leave(receipt, writing(path, 'again'))))).exitCode).toBe(0);
    expect((await host.run(job(script(restore(receipt), drop(receipt))))).exitCode).toBe(0);
    expect(await asked()).toEqual([
      [1, ''],
      [1, ''],
    ]);
    expect(await outside(target, `ls -d '/etc/ssh test' 2>&1 | grep -c 'No such'`)).toBe('1');
  });

  test.each([
    ['restarts in order', reboot],
    [
      'loses its power',
      async (name: string) => {
        await kill(name);
        await start(name);
      },
    ],
  ])('that %s has lost the job that ran, and remembers the one that had ended', async (_, fall) => {
    const target = targetOf(release);
    const host = await connect(target);
    const file = `/root/count-${randomBytes(4).toString('hex')}`;
    const [ended, interrupted] = [job('echo done; exit 3'), job(`echo run >> ${file}; sleep 3405`)];
    await host.run(ended);
    const following = failure(host.run(interrupted));
    await until(async () => (await running(target, 'sleep 3405')) === 1, 'it runs');
    await fall(target.name);
    expect((await following).code).toMatch(/^(JobLost|Unreachable)$/);
    expect((await failure(host.run(interrupted))).code).toBe('JobLost');
    expect(await host.run(ended)).toMatchObject({ exitCode: 3, stdout: 'done\n' });
    expect((await host.run(job('exit 4'))).exitCode).toBe(4);
    expect(await outside(target, `cat ${file}; rm ${file}`)).toBe('run');
  });
});
