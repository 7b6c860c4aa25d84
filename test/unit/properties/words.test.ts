import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { assignments, inquire } from '../../../src/ssh/ask.ts';
import {
  type Command,
  digest,
  holds,
  quote,
  script,
  secret,
  sh,
  text,
  words,
  writing,
} from '../../../src/ssh/command.ts';
import { CANARY, hostile, runs } from '../../properties/hostile.ts';

const folder = mkdtempSync(join(tmpdir(), 'farweave-words-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a command as a host would, with the same value for every variable. Whatever calls the canary is told of on stderr. */
function ran({ text: command, variables = {} }: Command, value = '') {
  const values = Object.fromEntries(Object.keys(variables).map((name) => [name, value]));
  const input = `${CANARY}() { echo called >&2; }\n${assignments(values)}\n${command}\n`;
  const { stdout, stderr, status } = spawnSync('sh', { input, cwd: folder });
  return { stdout: stdout.toString(), stderr: stderr.toString(), status };
}

const arrives = (stdout: string) => ({ stdout, stderr: '', status: 0 });

/** The arguments that a program was given, as it sees them: each ends with a byte that no argument can hold. */
const argv = sh`for word in "$@"; do printf '%s\0' "$word"; done`;
const asArguments = (all: readonly string[]) => arrives(all.map((word) => `${word}\0`).join(''));

function holdsFor(times: number, property: (...strings: [string, string]) => void) {
  fc.assert(fc.property(hostile, hostile, property), { numRuns: runs(times) });
}

test('any text in a template is one word, of exactly its bytes', () => {
  holdsFor(150, (one, other) => {
    expect(ran(sh`set -- ${one} a${other}b; ${argv}`)).toEqual(asArguments([one, `a${other}b`]));
  });
});

test('a list of texts is as many words, and one that looks like an option is no more than a word', () => {
  holdsFor(100, (one, other) => {
    const all = ['-rf', one, '--', other, ''];
    expect(ran(sh`set -- ${all}; ${argv}`)).toEqual(asArguments(all));
  });
});

test('a text with secrets in it is one word, of exactly their bytes', () => {
  holdsFor(150, (one, value) => {
    const word = words(text`${one}${secret('a')}'${digest(one)}${one}`);
    expect(ran(sh`set -- ${word}; ${argv}`, value)).toEqual(asArguments([`${one}${value}'${value}${one}`]));
  });
});

test('secrets whose names differ are different variables, whatever the names are made of', () => {
  holdsFor(300, (one, other) => {
    const names = Object.keys(sh`${words(text`${secret(one)}${secret(other)}`)}`.variables ?? {});
    expect(names).toHaveLength(one === other ? 1 : 2);
    for (const name of names) expect(name).toMatch(/^[a-z_]\w*$/i);
  });
});

test('a command inside another is the same command', () => {
  holdsFor(100, (one, other) => {
    const inner = sh`printf %s ${one}`;
    expect(ran(sh`printf '%s|%s' "$(${inner}; echo .)" ${other}`)).toEqual(arrives(`${one}.|${other}`));
  });
});

test('a text that is quoted twice, as for a shell inside of a shell, is still the same', () => {
  holdsFor(50, (one, other) => {
    const inner = sh`set -- ${one} ${other}; ${argv}`;
    expect(ran(sh`eval ${inner.text}`)).toEqual(asArguments([one, other]));
    expect(ran({ text: `sh -c ${quote(sh`sh -c ${sh`printf %s ${one}`.text}`.text)}` })).toEqual(arrives(one));
  });
});

test('what is written to a file is exactly the text, with its mode, and is recognised', () => {
  const path = join(folder, 'a b', "it's");
  holdsFor(60, (one, value) => {
    const content = text`${one}${secret('s')}`;
    expect(ran(script(writing(path, content, { mode: '0600' }), holds(path, content)), value)).toEqual(arrives(''));
    expect(readFileSync(path, 'utf8')).toBe(`${one}${value}`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(ran(holds(path, text`${one}${secret('s')}x`), value).status).toBe(1);
  });
});

test('a file may have any name', () => {
  fc.assert(
    fc.property(hostile, (name) => {
      const path = join(folder, 'named', `f${name.replaceAll('/', '').slice(0, 60)}`.toWellFormed());
      expect(ran(script(writing(path, name)))).toEqual(arrives(''));
      expect(readFileSync(path, 'utf8')).toBe(name);
    }),
    { numRuns: runs(40) },
  );
});

test('questions of any text are put as they are, whatever the secrets', () => {
  holdsFor(30, (one, value) => {
    const question = sh`printf '<%s>' ${words(text`${one}${secret('s')}`)}`;
    const values = Object.fromEntries(Object.keys(question.variables ?? {}).map((name) => [name, value]));
    const { program, nonce } = inquire([question, question], values);
    // As the root shell of a host reads it.
    const input = `${Buffer.byteLength(program)}\n${program}done\n`;
    const { stdout, stderr } = spawnSync('sh', ['-c', 'while read -r n; do eval "$(head -c $n)"; done'], { input });
    expect(stderr.toString().replaceAll(`${nonce} 0\n`, '')).toBe('');
    const answers = stdout
      .toString()
      .replaceAll(new RegExp(`${nonce} \\+\\d+\n`, 'g'), '')
      .split(`${nonce} 0\n`);
    expect(answers).toEqual([`<${one}${value}>`, `<${one}${value}>`, '']);
  });
});
