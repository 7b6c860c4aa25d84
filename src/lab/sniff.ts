import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Engine } from './engine.ts';
import { LabError } from './errors.ts';
import { gatewayOf } from './names.ts';

export interface SniffOptions {
  /** The text to look for. A packet holds at most some 1,300: keep it short. */
  marker: string;
  seconds: number;
  /** Done while the capture is under way, which lasts until both this and the seconds are over. */
  during?: () => Promise<unknown>;
}

export interface Capture {
  /** Packets that came from one data center for another (or for the registry). */
  packets: number;
  /** Those that held the marker. */
  hits: number;
}

/** Captures what passes between the data centers and counts the packets that hold a marker. */
export async function capture(engine: Engine, id: string, options: SniffOptions): Promise<Capture> {
  const marker = Buffer.from(options.marker).toString('hex');
  const env = engine.host === '' ? process.env : { ...process.env, DOCKER_HOST: engine.host };
  const argv = ['exec', '-i', gatewayOf(id), 'python3', '/etc/lab/sniff.py', marker, String(options.seconds)];
  const child = spawn('docker', argv, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done) throw new LabError('The capture did not start', 'Is the lab up? See `farweave lab status`.');
    await options.during?.();
    child.stdin.end();
    const [packets = 0, hits = 0] = String((await lines.next()).value)
      .split(' ')
      .map(Number);
    return { packets, hits };
  } finally {
    child.stdin.end(); // the program in the gateway ends when nobody listens to it any more
  }
}
