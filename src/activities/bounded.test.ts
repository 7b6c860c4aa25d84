import { expect, test } from 'vitest';
import { no, unknown, yes } from '../roles/operation.ts';
import { bounded } from './bounded.ts';

const asIs = (text: string) => text;

test.each([
  ['several lines', 'key\n[Interface]\nPostUp = reboot'],
  ['escape sequences', '\u001b[2J'],
  ['more than 256 bytes', 'é'.repeat(129)],
])('a fact of %s is not known: it would stand in files of other hosts', (_, value) => {
  expect(bounded(yes({ 'net.key': value }), asIs)).toMatchObject({ is: 'unknown' });
});

test('a fact of one line stays, and so does a verdict of ordinary length', () => {
  for (const verdict of [yes({ 'net.key': 'é'.repeat(128) }), no('absent', 'running'), unknown('no answer'), yes()])
    expect(bounded(verdict, asIs)).toEqual(verdict);
});

test('what a host says at length is cut, so that no history is filled with it', () => {
  const long = 'x'.repeat(60_000);
  expect(JSON.stringify(bounded(no(long, long), asIs)).length).toBeLessThan(1_100);
  expect(JSON.stringify(bounded(unknown(long), asIs)).length).toBeLessThan(600);
});

test('a secret that stands where the cut is does not lose half of itself, and the other half stay', () => {
  const redact = (text: string) => text.replaceAll('s3cret-word', '***');
  const verdict = bounded(no(`${'x'.repeat(495)}s3cret-word${'x'.repeat(100)}`, ''), redact);
  expect(JSON.stringify(verdict)).not.toContain('s3c');
});
