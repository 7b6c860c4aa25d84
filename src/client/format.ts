import { stripVTControlCharacters } from 'node:util';

/** A span of time as people say it: `0.4s`, `12s`, `1m 05s`, `2h 03m`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1_000;
  if (seconds < 10) return `${Math.floor(seconds * 10) / 10}s`;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole}s`;
  const pair = (value: number) => String(value).padStart(2, '0');
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${pair(whole % 60)}s`;
  return `${Math.floor(whole / 3_600)}h ${pair(Math.floor((whole % 3_600) / 60))}m`;
}

/**
 * A moment with its zone, to the minute or to the second: `2026-11-24 22:00 CET`. `at` in milliseconds since 1970;
 * `timeZone` as IANA names it, that of this machine without.
 */
export function clock(at: number, timeZone?: string, { seconds = false } = {}): string {
  const two = '2-digit';
  const format = new Intl.DateTimeFormat('en-GB', {
    year: 'numeric',
    month: two,
    day: two,
    hour: two,
    minute: two,
    ...(seconds && { second: two }),
    timeZoneName: 'short',
    ...(timeZone !== undefined && { timeZone }),
  });
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const { year, month, day, hour, minute, second, timeZoneName } = parts;
  return `${year}-${month}-${day} ${hour}:${minute}${seconds ? `:${second}` : ''} ${timeZoneName}`;
}

/** `1 host`, `3 hosts`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

const ESCAPE = '\u001b';
const COLOR = new RegExp(`(${ESCAPE}\\[[\\d;]*m)`);

/** A line cut to a width, colours left whole. The marks used here are one column wide. */
export function clip(line: string, columns: number): string {
  if (width(line) <= columns) return line;
  let room = Math.max(0, columns - 1);
  let clipped = '';
  let cut = false;
  // Escape sequences take no room and are all kept, so that no colour runs on.
  for (const piece of line.split(COLOR)) {
    if (piece.startsWith(ESCAPE)) clipped += piece;
    else if (!cut) {
      const characters = Array.from(piece);
      cut = characters.length > room;
      clipped += characters.slice(0, room).join('') + (cut ? '…' : '');
      room -= characters.length;
    }
  }
  return clipped;
}

/** Columns that a line takes. */
export function width(line: string): number {
  return Array.from(stripVTControlCharacters(line)).length;
}

/** A table with columns as wide as their widest cell; the last one runs free. */
export function table(rows: readonly (readonly string[])[], gap = 2): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, n) => (widths[n] = Math.max(widths[n] ?? 0, width(cell))));
  return rows.map((row) =>
    row
      .map((cell, n) => (n === row.length - 1 ? cell : cell + ' '.repeat(widths[n]! - width(cell) + gap)))
      .join('')
      .trimEnd(),
  );
}

/** What a machine said, made safe to print: no control characters but tab and newline, and nothing that turns text around. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replaceAll(
    /[^\P{Cc}\t\n]|[\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (character) => {
      const code = character.charCodeAt(0).toString(16);
      return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, '0')}`;
    },
  );
}
