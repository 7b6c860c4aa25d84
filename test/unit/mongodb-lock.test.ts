import { execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { whileLocked } from '../../src/roles/mongodb/held.ts';
import { script, sh } from '../../src/ssh/command.ts';

/** A host with a docker that runs commands apart from whoever calls it, and a shell that holds a lock as long as nobody makes the file `done`. */
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farweave-held-'));
  program('docker', 'while [ "$1" != sh ]; do shift; done; exec setsid "$@"');
  program(
    'mongosh',
    `grep -q "releasing = true" "$4" && { echo released >> ${folder}/log; exit 0; }
echo locked >> ${folder}/log
echo 'farweave {"locked":{"collections":3,"until":"2026"}}'
[ ! -e ${folder}/dies ] || kill -KILL $$
until [ -e done ]; do sleep 0.05; done
echo unlocked >> ${folder}/log`,
  );
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
}

const log = () => readFileSync(join(folder, 'log'), 'utf8').trim().split('\n');
const env = () => ({
  ...process.env,
  PATH: `${folder}:${process.env['PATH']}`,
  fw_mongodb_adminPassword_json: 'secret',
});
const text = (act: ReturnType<typeof sh>) => script(whileLocked({ name: 'node0', port: 27017 }, folder, act)).text;
const run = (act: ReturnType<typeof sh>) => promisify(execFile)('sh', ['-c', text(act)], { env: env() });

it('acts while the member is locked, and unlocks it', async () => {
  await run(sh`echo copied >> ${folder}/log`);
  expect(log()).toEqual(['locked', 'copied', 'unlocked']);
  expect(readFileSync(join(folder, 'locked'), 'utf8')).toBe('{"collections":3,"until":"2026"}\n');
});

it('unlocks when what it was locked for fails', async () => {
  await expect(run(sh`false`)).rejects.toMatchObject({ code: 1 });
  await until('unlocked');
  expect(log()).toEqual(['locked', 'unlocked']);
});

it('unlocks when the job is killed', async () => {
  const job = spawn('sh', ['-c', text(sh`exec sleep 60`)], { env: env(), stdio: 'ignore', detached: true });
  await until('locked');
  await pass(300); // by then it copies
  process.kill(-job.pid!, 'SIGKILL'); // all of it, with no time to clean up
  await until('unlocked');
  expect(log()).toEqual(['locked', 'unlocked']);
});

it('has another shell unlock where the first one is killed', async () => {
  writeFileSync(join(folder, 'dies'), '');
  await expect(run(sh`sleep 0.2`)).rejects.toMatchObject({ code: 1 });
  await until('released');
});

it('fails where the member cannot be locked, in its words', async () => {
  program('mongosh', 'echo "it has become the primary"; exit 1');
  await expect(run(sh`true`)).rejects.toMatchObject({
    stdout: expect.stringContaining('become the primary') as string,
  });
});

async function until(word: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const lines = existsSync(join(folder, 'log')) ? log() : [];
    if (lines.includes(word)) return;
    await pass(50);
  }
  throw new Error(`never: ${word}`);
}
