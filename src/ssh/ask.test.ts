import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createSshd, type Sshd } from '../../test/sshd.ts';
import { type Command, secret, sh } from './command.ts';
import { printable } from './errors.ts';
import type { Host, Values } from './host.ts';
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

const one = async (question: Command, values: Values = {}) => (await host.ask([question], values))[0];

async function gone(text: string): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) {
    if (sshd.processes(text).length === 0) return true;
    await pause(50);
  }
  return false;
}

describe('asking', () => {
  test('answers every question by itself, with exact exit codes and both streams', async () => {
    const questions = [
      sh`echo out; echo err >&2; exit 3`,
      sh`true`,
      sh`exit 255`,
      sh`kill -9 $(sh -c ${'echo $PPID'})`,
      { text: 'cd /tmp; x=1; set -e; false; echo never' },
      { text: 'pwd; echo "[$x]"' },
      sh`no-such-command`,
      sh`printf %s ${'no newline'}`,
    ];
    expect((await host.ask(questions, {})).map(({ exitCode, stdout }) => [exitCode, stdout])).toEqual([
      [3, 'out\n'],
      [0, ''],
      [255, ''],
      [137, ''],
      [1, ''],
      [0, '/\n[]\n'],
      [127, ''],
      [0, 'no newline'],
    ]);
  });

  test('is root, with the same surroundings on every host', async () => {
    expect((await one({ text: 'id -u; echo $PATH; echo $LC_ALL; umask; test -t 0 || wc -c' }))?.stdout).toBe(
      '0\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nC.UTF-8\n0022\n0\n',
    );
  });

  test('is not upset by a question that is not shell', async () => {
    const answers = await host.ask(
      [{ text: 'echo "open' }, { text: 'echo $(' }, { text: '}' }, { text: '# nothing' }, sh`echo well`],
      {},
    );
    expect(answers.map(({ exitCode }) => exitCode)).toEqual([2, 2, 2, 0, 0]);
    expect(answers[4]?.stdout).toBe('well\n');
  });

  test('keeps 64 KiB of each stream of each answer and drops the rest', async () => {
    const answers = await host.ask(
      [{ text: "head -c 3000000 /dev/zero | tr '\\0' a; head -c 70000 /dev/zero | tr '\\0' b >&2" }, sh`echo next`],
      {},
    );
    expect([answers[0]?.stdout.length, answers[0]?.stderr.length]).toEqual([65536, 65536]);
    expect(answers[1]).toEqual({ exitCode: 0, stdout: 'next\n', stderr: '' });
  });

  test('takes binary and control characters as they are, and shows them escaped', async () => {
    const answer = await one({ text: "printf '\\000\\033[31mred\\007\\n\\377'; echo; head -c 5000 /dev/urandom >&2" });
    expect(answer?.exitCode).toBe(0);
    expect(answer?.stdout).toBe('\0\u001b[31mred\u0007\n\ufffd\n');
    expect(printable(answer?.stdout ?? '')).toBe('\\x00\\x1b[31mred\\x07\n\ufffd\n');
  });

  test.each(["it's", 'a"b$c`d\\e', 'line\nbreak\n', ' spaces ', '-n', '', 'ünï🎉', '!', '$(reboot)'])(
    'fills in the secret %j unharmed',
    async (value) => {
      expect(await one(sh`printf %s ${secret('x')}`, { fw_x_raw: value })).toEqual({
        exitCode: 0,
        stdout: value,
        stderr: '',
      });
    },
  );

  test('shows secrets in no argument and no environment', async () => {
    const seeing = one({ text: 'x=$fw_x_raw; sleep 1.0601; printf %s "$x"' }, { fw_x_raw: 'tr0ub4d0ur' });
    while (sshd.processes('sleep 1.0601').length === 0) await pause(20);
    expect(sshd.shows('tr0ub4d0ur')).toBe(false);
    expect((await seeing)?.stdout).toBe('tr0ub4d0ur');
  });

  test('refuses a value that a shell cannot hold', async () => {
    await expect(host.ask([sh`true`], { fw_x_raw: 'a\0b' })).rejects.toThrow(TypeError);
    await expect(host.ask([sh`true`], { 'x; reboot': 'a' })).rejects.toThrow(TypeError);
  });

  test('gives up the question that hangs, ends it with all that it began, and asks the others', async () => {
    const hanging = { text: "echo so far; sleep 4711 & ( trap '' TERM; sleep 4711; : )" };
    const [first, second, third] = await host.ask([sh`echo one`, hanging, sh`echo three`], {}, { limit: 700 });
    expect([first, third]).toEqual(['one\n', 'three\n'].map((stdout) => ({ exitCode: 0, stdout, stderr: '' })));
    expect(second).toMatchObject({
      exitCode: 137,
      stdout: 'so far\n',
      stderr: expect.stringMatching(/^no answer within 0.7 s/),
    });
    expect(await gone('sleep 4711')).toBe(true);
  });

  test('waits less for what comes after one that hangs: it may hang on the same', async () => {
    const began = Date.now();
    const answers = await host.ask(
      [...Array.from({ length: 4 }, () => sh`sleep 4713`), sh`echo five`],
      {},
      { limit: 800 },
    );
    expect(answers.map(({ exitCode }) => exitCode)).toEqual([137, 137, 137, 137, 0]);
    expect(Date.now() - began).toBeLessThan(2_400);
  });

  test('answers what it has when time is over for all', async () => {
    const questions = [sh`echo one`, sh`sleep 4714`, sh`echo three`];
    const answers = await host.ask(questions, {}, { timeout: 700 });
    expect(answers.map(({ exitCode, stdout }) => [exitCode, stdout])).toEqual([
      [0, 'one\n'],
      [137, ''],
      [137, ''],
    ]);
    expect(answers[1]?.stderr).toMatch(/^no answer within 0\.\d+ s/);
    expect(answers[2]?.stderr).toMatch(/^not asked/);
    expect(await gone('sleep 4714')).toBe(true);
    expect(await one(sh`echo well`)).toMatchObject({ exitCode: 0, stdout: 'well\n' });
  });

  test('answers what it has when something hangs that cannot be ended', async () => {
    // As after the kill of a process that hangs in the kernel: whoever waits for it waits on.
    const stuck = { text: `me=$(sh -c 'echo $PPID'); kill -STOP $(ps -o ppid= -p $me); sleep 4715` };
    const answers = await host.ask([sh`echo one`, stuck, sh`true`], {}, { limit: 700 });
    expect(answers.map(({ exitCode }) => exitCode)).toEqual([0, 137, 137]);
    expect(await gone('sleep 4715')).toBe(true);
  });

  test('ends at once when it is cancelled, and ends what runs', async () => {
    const cancel = new AbortController();
    const asking = host.ask([sh`sleep 4712`], {}, { cancel: cancel.signal });
    setTimeout(() => cancel.abort(), 300);
    await expect(asking).rejects.toMatchObject({ code: 'Cancelled' });
    expect(await gone('sleep 4712')).toBe(true);
    await expect(host.ask([sh`true`], {}, { cancel: cancel.signal })).rejects.toMatchObject({ code: 'Cancelled' });
  });

  test('keeps nothing from one time to the next', async () => {
    await host.ask([{ text: 'x=1; cd /tmp; umask 0; exec 3</dev/null' }], { fw_x_raw: 'tr0ub4d0ur' });
    for (let n = 0; n < 5; n++)
      expect((await one({ text: 'echo "[$x$fw_x_raw]"; pwd; umask; ls /proc/self/fd | wc -l' }))?.stdout).toBe(
        '[]\n/\n0022\n4\n',
      );
  });

  test('that asks nothing costs nothing', async () => {
    expect(await host.ask([], {})).toEqual([]);
  });

  test('takes hundreds of questions at once', async () => {
    const answers = await host.ask(
      Array.from({ length: 300 }, (_, n) => sh`echo ${n}`),
      {},
    );
    expect(answers.map(({ stdout }) => Number(stdout))).toEqual(Array.from({ length: 300 }, (_, n) => n));
  });
});
