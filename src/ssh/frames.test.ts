import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { Frames } from './frames.ts';

const NONCE = '0123456789abcdef0123456789abcdef';
const text = (frames: Frames) => frames.frames.map((frame) => [frame.text, frame.code]);

v8.setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes that are kept of a stream. */
function kept(frames: Frames, chunks: Iterable<Buffer>): number {
  const used = () => {
    collect();
    collect(); // what the first has found is given back by the second
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    return arrayBuffers + heapUsed;
  };
  const before = used();
  for (const chunk of chunks) frames.take(chunk);
  return used() - before;
}

function* megabytes(count: number, first: string, piece: string): Generator<Buffer> {
  yield Buffer.from(first);
  const chunk = Buffer.from(piece.repeat(Math.ceil(32_768 / piece.length)));
  for (let n = 0; n < count * 32; n++) yield Buffer.from(chunk);
}

describe('frames', () => {
  test('are cut at marks, however the stream is cut', () => {
    const whole = Buffer.from(`${NONCE} +7\none\n${NONCE} 0\n${NONCE} +8\nt\u0000wo${NONCE} 3\n`);
    for (let at = 0; at <= whole.length; at++) {
      const frames = new Frames(NONCE, 2);
      frames.take(whole.subarray(0, at));
      frames.take(whole.subarray(at));
      expect(text(frames)).toEqual([
        ['one\n', 0],
        ['t\u0000wo', 3],
      ]);
    }
  });

  test('keep 64 KiB of an answer, and no more of one that never ends', () => {
    const frames = new Frames(NONCE, 1);
    expect(kept(frames, megabytes(64, '', 'é'))).toBeLessThan(8_000_000);
    frames.take(Buffer.from(`${NONCE} 0\n`));
    expect(Buffer.byteLength(frames.frames[0]?.text ?? '')).toBeLessThanOrEqual(64 * 1024 + 3);
  });

  test('do not keep what comes behind a mark that never ends', () => {
    const began = performance.now();
    expect(kept(new Frames(NONCE, 1), megabytes(64, `${NONCE} `, 'x'))).toBeLessThan(8_000_000);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  test('take what only looks like a mark for part of the answer', () => {
    const frames = new Frames(NONCE, 1);
    const looks = `${NONCE}\n${NONCE.slice(1)} 0\n${NONCE} zero\n${NONCE} ${'1'.repeat(100)}\n`;
    frames.take(Buffer.from(`${looks}${NONCE} 0\n`));
    expect(text(frames)).toEqual([[looks, 0]]);
  });

  test('are as many as questions, whatever else is sent', () => {
    const frames = new Frames(NONCE, 1);
    expect(kept(frames, megabytes(32, '', `${NONCE} 0\n`))).toBeLessThan(8_000_000);
    expect(frames.frames).toHaveLength(1);
  });
});
