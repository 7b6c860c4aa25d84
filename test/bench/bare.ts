import { readFileSync } from 'node:fs';
import ssh2 from 'ssh2';
import type { Place } from './hosts.ts';

/** What to do on every host over one connection: each command an exec of its own, one after another. */
export interface Bare {
  readonly hosts: readonly Place[];
  /** The file of the private key. */
  readonly key: string;
  readonly commands: readonly string[];
}

/** In seconds. */
export interface BareResult {
  readonly seconds: number;
  /** Commands that did not exit with 0. */
  readonly failed: number;
}

/** Connections at once, as many as a Farweave worker works on by default. */
const AT_ONCE = 100;

/**
 * What somebody would write who wants no more than speed: connect, run the commands, forget everything. A program of
 * its own, so that it shares no process with what it is compared to. Reads a `Bare` as JSON, writes a `BareResult`.
 */
const { hosts, key, commands } = JSON.parse(readFileSync(0, 'utf8')) as Bare;
const privateKey = readFileSync(key);
const began = performance.now();
let failed = 0;
const queue = hosts.values();
await Promise.all(
  Array.from({ length: Math.min(AT_ONCE, hosts.length) }, async () => {
    for (const host of queue) await visit(host);
  }),
);
const result: BareResult = { seconds: (performance.now() - began) / 1_000, failed };
console.log(JSON.stringify(result));

async function visit({ address, port }: Place): Promise<void> {
  const client = new ssh2.Client();
  await new Promise<void>((resolve, reject) => {
    client
      .on('connect', () => client.setNoDelay(true))
      .on('ready', resolve)
      .on('error', reject)
      .connect({ host: address, port, username: 'root', privateKey, readyTimeout: 60_000 });
  });
  for (const command of commands) if ((await run(client, command)) !== 0) failed += 1;
  client.end();
}

function run(client: ssh2.Client, command: string): Promise<number | null> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) return reject(error);
      let code: number | null = null;
      channel
        .on('exit', (status: number | null) => {
          code = status;
        })
        .on('close', () => resolve(code))
        .resume();
      channel.stderr.resume();
    });
  });
}
