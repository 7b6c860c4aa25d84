import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { startPulse } from './pulse.ts';
import { Redaction } from './redaction.ts';

describe('the signs of life of an activity', () => {
  it('tell at once of the first that a job writes, so that one can see that it is followed', async () => {
    const beats = await beatsOf((pulse) => {
      pulse.says({ job: 'a job', offset: 0 });
      pulse.log(Buffer.from('one\n'), 4);
      pulse.log(Buffer.from('two\n'), 8);
    });
    expect(beats).toEqual([
      { job: 'a job', offset: 0 },
      { job: 'a job', offset: 4, line: 'one' },
    ]);
  });

  it('tell at once of the first of each job', async () => {
    const beats = await beatsOf((pulse) => {
      pulse.says({ job: 'a job', offset: 0 });
      pulse.log(Buffer.from('one\n'), 4);
      pulse.says({ job: 'another', offset: 0 });
      pulse.log(Buffer.from('two\n'), 4);
    });
    expect(beats.at(-1)).toEqual({ job: 'another', offset: 4, line: 'two' });
  });

  it('hide a secret that comes in pieces, also one that ends within a character', async () => {
    const secret = 'gr\u00fcner Apfel im Korb';
    const said = Buffer.from(`it says ${secret}`);
    let tail = '';
    const beats = await beatsOf((pulse) => {
      for (const [n, end] of [10, 11, 20, said.length].entries()) {
        pulse.says({ job: `job ${n}` });
        pulse.log(said.subarray([0, 10, 11, 20][n], end), end);
      }
      tail = pulse.tail;
    }, secret);
    expect(tail).toBe('it says ***');
    expect(beats.at(-1)).toMatchObject({ line: 'it says ***' });
    expect(JSON.stringify(beats)).not.toContain('Apfel');
  });
});

/** What is heartbeated meanwhile. */
async function beatsOf(work: (pulse: ReturnType<typeof startPulse>) => void, secret = ''): Promise<readonly unknown[]> {
  const redaction = new Redaction();
  redaction.add(secret);
  const environment = new MockActivityEnvironment();
  const beats: unknown[] = [];
  environment.on('heartbeat', (beat: unknown) => beats.push(beat));
  await environment.run(async () => {
    const pulse = startPulse((text) => redaction.hide(text));
    work(pulse);
    pulse.end();
  });
  return beats;
}
