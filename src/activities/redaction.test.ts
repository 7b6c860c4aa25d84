import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { Redaction } from './redaction.ts';

const SECRET = `it's "a" $ecret/&<b>%+ü\\`;
const KEY = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;

function hiding(...values: readonly string[]) {
  const redaction = new Redaction();
  for (const value of values) redaction.add(value);
  return (text: string) => redaction.hide(text);
}

const inShell = (program: string, script: string) =>
  execFileSync(program, ['-c', script], { env: { S: SECRET, PATH: process.env.PATH, LC_ALL: 'C.UTF-8' } }).toString();

it.each([
  ['as it is', SECRET],
  ['as JSON', JSON.stringify({ password: SECRET })],
  ['as JSON of PHP', JSON.stringify(SECRET).replaceAll('/', '\\/')],
  [
    'as JSON of Go',
    JSON.stringify(SECRET).replaceAll('&', '\\u0026').replaceAll('<', '\\u003c').replaceAll('>', '\\u003e'),
  ],
  ['as JSON in ASCII', JSON.stringify(SECRET).replaceAll('ü', '\\u00fc')],
  ['in a URL', `mongodb://user:${encodeURIComponent(SECRET)}@db0`],
  ['in a form', new URLSearchParams({ password: SECRET }).toString()],
  [
    'in HTML',
    SECRET.replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;'),
  ],
  ['in base64', Buffer.from(SECRET).toString('base64')],
  ['in base64 for URLs', Buffer.from(SECRET).toString('base64url')],
  ['in base64 behind a name', Buffer.from(`me:${SECRET}`).toString('base64')],
  ['in base64 behind another name', Buffer.from(`adm:${SECRET}\n`).toString('base64')],
  ['as dash shows commands that it runs', inShell('dash', 'exec 2>&1; set -x; : "$S"')],
  ['as bash shows commands that it runs', inShell('bash', 'exec 2>&1; set -x; : "$S"')],
  ['as bash shows variables', inShell('bash', 'declare -p S; printf %q "$S"')],
])('hides a secret %s', (_, text) => {
  const shown = hiding(SECRET)(text);
  expect(shown).toContain('***');
  expect(shown).not.toMatch(/ecret|ZWNyZX|VjcmV0|Y3JldA/);
});

it('leaves the rest of a text alone', () => {
  expect(hiding('hunter2')('user hunter2, hunter 2, hunter2!')).toBe('user ***, hunter 2, ***!');
  expect(hiding()('nothing is secret')).toBe('nothing is secret');
  expect(hiding('abc')('abc is too short to be hidden')).toBe('abc is too short to be hidden');
});

it('takes the longest where secrets begin alike', () => {
  expect(hiding('password', 'password-of-all')('password-of-all password')).toBe('*** ***');
});

it('hides each line of a key, whichever lines are shown', () => {
  const lines = KEY.trim().split('\n').slice(1, -1);
  const hide = hiding(KEY);
  for (const line of lines) expect(hide(`> ${line}\r\n`)).toBe('> ***\r\n');
  expect(hide(JSON.stringify(KEY))).not.toContain(lines[3]!.slice(0, 20));
  expect(hide('-----BEGIN RSA PRIVATE KEY-----')).toContain('BEGIN');
});

it('hides the lines into which base64 breaks a key', () => {
  const wrapped = execFileSync('base64', { input: KEY }).toString();
  expect(hiding(KEY)(wrapped).replaceAll(/\*\*\*|\n/g, '')).toBe('');
});

it('hides what is left of a secret where the text was cut', () => {
  const hide = hiding('correct horse battery staple');
  expect(hide('it says correct hor')).toBe('it says ***');
  expect(hide('se battery staple, it says')).toBe('***, it says');
  expect(hide('it says correct horse battery staple')).toBe('it says ***');
  expect(hide('it says correct')).toBe('it says correct');
});

it('takes a moment, however many secrets there are', () => {
  const hide = hiding(...Array.from({ length: 2_000 }, () => randomBytes(20).toString('base64')), KEY);
  const text = 'Setting up a package of many (1.2.3-4) ...\n'.repeat(500);
  const began = performance.now();
  for (let n = 0; n < 10; n += 1) expect(hide(text)).toBe(text);
  expect(performance.now() - began).toBeLessThan(1_000);
});
