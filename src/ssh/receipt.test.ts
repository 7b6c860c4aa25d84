import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { find, leave } from '../../test/receipts.ts';
import { type Command, type Script, script, sh, writing } from './command.ts';
import { drop, restore } from './receipt.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'receipt-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const RECEIPT = 'b6d5-4f/03-docker.install';

/** Runs it in a real shell, with the receipts below the test's own folder. */
function run(command: Command): number | null {
  const text = command.text.replaceAll('/var/lib/farweave/receipts', `${root}/receipts`);
  return spawnSync('/bin/sh', ['-c', text], { stdio: ['ignore', 'ignore', 'inherit'] }).status;
}

const at = (path: string) => `${root}/${path}`;
const read = (path: string) => readFileSync(at(path), 'utf8');
const changing = (path: string, content: string): Script => writing(at(path), content);

describe('a receipt', () => {
  test('is found once it has been left, and not before or after', () => {
    expect(run(find(RECEIPT))).toBe(1);
    expect(run(leave(RECEIPT, sh`true`))).toBe(0);
    expect(run(find(RECEIPT))).toBe(0);
    expect(run(drop(RECEIPT))).toBe(0);
    expect(run(find(RECEIPT))).toBe(1);
  });

  test('puts a changed file back with its content, mode and owner', () => {
    writeFileSync(at('daemon.json'), 'before');
    chmodSync(at('daemon.json'), 0o640);
    expect(run(leave(RECEIPT, changing('daemon.json', 'after')))).toBe(0);
    expect(read('daemon.json')).toBe('after');
    expect(run(restore(RECEIPT))).toBe(0);
    expect(read('daemon.json')).toBe('before');
    expect(statSync(at('daemon.json')).mode & 0o777).toBe(0o640);
    expect(readdirSync(root).toSorted()).toEqual(['daemon.json', 'receipts']);
  });

  test('takes away what was not there, with the folders that were made for it, but not what others put there', () => {
    mkdirSync(at('etc'));
    const change = script(
      changing('etc/a/b/new.conf', 'x'),
      changing('etc/a/other.conf', 'x'),
      changing('etc/c/kept', 'x'),
    );
    expect(run(leave(RECEIPT, change))).toBe(0);
    writeFileSync(at('etc/c/foreign'), 'not ours');
    expect(run(restore(RECEIPT))).toBe(0);
    expect(existsSync(at('etc/a'))).toBe(false);
    expect(readdirSync(at('etc/c'))).toEqual(['foreign']);
  });

  test('may be restored twice', () => {
    writeFileSync(at('there'), 'before');
    run(leave(RECEIPT, script(changing('there', 'after'), changing('new/file', 'after'))));
    expect([run(restore(RECEIPT)), run(restore(RECEIPT))]).toEqual([0, 0]);
    expect(read('there')).toBe('before');
    expect(existsSync(at('new'))).toBe(false);
  });

  test('restores nothing where nobody left one', () => {
    writeFileSync(at('there'), 'untouched');
    expect(run(restore(RECEIPT))).toBe(0);
    expect(read('there')).toBe('untouched');
  });

  test('keeps the first before-image when a second attempt finds the file half changed', () => {
    writeFileSync(at('conf'), 'before');
    const breaking = script(sh`echo half > ${at('conf')}`, sh`exit 3`);
    expect(run(leave(RECEIPT, { ...breaking, saves: [at('conf')] }))).toBe(3);
    expect(read('conf')).toBe('half\n');
    expect(run(leave(RECEIPT, changing('conf', 'after')))).toBe(0);
    run(restore(RECEIPT));
    expect(read('conf')).toBe('before');
  });

  test('that was only half left, as by a crash, is left anew before anything changes', () => {
    writeFileSync(at('conf'), 'before');
    const half = at(`receipts/${RECEIPT.replace('/', '/.new/')}`);
    mkdirSync(half, { recursive: true });
    writeFileSync(`${half}/0`, 'rubbish');
    expect(run(find(RECEIPT))).toBe(1);
    expect(run(leave(RECEIPT, changing('conf', 'after')))).toBe(0);
    run(restore(RECEIPT));
    expect(read('conf')).toBe('before');
  });

  test('that cannot be left keeps the change from being made', () => {
    writeFileSync(at('receipts'), 'a file where the folder should be');
    writeFileSync(at('conf'), 'before');
    expect(run(leave(RECEIPT, changing('conf', 'after')))).toBe(73);
    expect(read('conf')).toBe('before');
  });

  test.each(['with space', "quo'te", 'dollar$HOME', 'back\\slash', 'new\nline', '-dash', 'semi;colon`id`', 'ünï*'])(
    'keeps and restores a file named %j',
    (name) => {
      const folder = at(`odd/${name}`);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, name), 'before');
      const change = script(changing(`odd/${name}/${name}`, 'after'), changing(`odd/${name}/new ${name}`, 'after'));
      expect(run(leave(RECEIPT, change))).toBe(0);
      expect(read(`odd/${name}/${name}`)).toBe('after');
      expect(run(restore(RECEIPT))).toBe(0);
      expect(readdirSync(folder)).toEqual([name]);
      expect(read(`odd/${name}/${name}`)).toBe('before');
    },
  );

  test('restores a symbolic link as a link, and a folder whole', () => {
    mkdirSync(at('tree'));
    writeFileSync(at('tree/a'), 'a');
    symlinkSync('tree/a', at('link'));
    const change = {
      ...sh`rm -rf ${at('tree')} && mkdir ${at('tree')} && echo b > ${at('tree/b')} && rm ${at('link')} && echo x > ${at('link')}`,
      saves: [at('tree'), at('link')],
    };
    expect(run(leave(RECEIPT, change))).toBe(0);
    run(restore(RECEIPT));
    expect(readdirSync(at('tree'))).toEqual(['a']);
    expect(execFileSync('readlink', [at('link')], { encoding: 'utf8' })).toBe('tree/a\n');
  });

  test('is for root only, since before-images may hold secrets', () => {
    writeFileSync(at('key'), 'secret');
    run(leave(RECEIPT, changing('key', 'other')));
    expect(statSync(at(`receipts/${RECEIPT}`)).mode & 0o077).toBe(0);
  });

  test.each(['', '../x', 'a/../b', 'a/b/c', '/etc', 'a b', 'a/.', '.', 'a/'])(
    'is refused under the name %j',
    (name) => {
      expect(() => drop(name)).toThrow(TypeError);
    },
  );

  test('refuses a path that is not absolute', () => {
    expect(() => leave(RECEIPT, { text: 'true', saves: ['etc/passwd'] })).toThrow(TypeError);
  });
});
