import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRelay, freePort } from '../sshd.ts';
import type { Place } from './hosts.ts';
import { program } from './program.ts';
import { cache } from './rivals/index.ts';

const VERSION = '2.12.0';

/** Hosts as they are reached over a slow line. */
export interface Line {
  readonly by: string;
  readonly places: readonly Place[];
  /** Milliseconds there and back, half of it each way, for what is sent from now on. */
  setDelay(milliseconds: number): Promise<void>;
  /** Breaks all connections that there are. */
  cut(): Promise<void>;
  close(): Promise<void>;
}

/** Toxiproxy in front of every host; where there is no Go to build it with, a relay of the tests' own. */
export async function delayed(
  hosts: readonly Place[],
  { say }: { readonly say: (line: string) => void },
): Promise<Line> {
  const proxy = await toxiproxy(say);
  return proxy === undefined ? relays(hosts) : toxic(proxy, hosts);
}

/** The program, built once for all checkouts. */
async function toxiproxy(say: (line: string) => void): Promise<string | undefined> {
  const built = join(cache(), `toxiproxy-${VERSION}`);
  if (existsSync(built)) return built;
  say(`building toxiproxy ${VERSION}`);
  const folder = join(cache(), 'toxiproxy-build');
  mkdirSync(folder, { recursive: true });
  const source = `github.com/Shopify/toxiproxy/v2/cmd/server@v${VERSION}`;
  try {
    await program('go', ['install', source], { env: { ...process.env, GOBIN: folder } });
  } catch (error) {
    say(`it cannot be built: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    return undefined;
  }
  renameSync(join(folder, 'server'), built);
  return built;
}

/** On an address of its own for every host. */
async function toxic(command: string, hosts: readonly Place[]): Promise<Line> {
  const port = await freePort();
  const server = spawn(command, ['-host', '127.0.0.1', '-port', String(port)], { stdio: 'ignore' });
  const ask = async (path: string, body: object) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`toxiproxy refuses ${path}: ${await response.text()}`);
  };
  for (let tries = 0; !(await fetch(`http://127.0.0.1:${port}/version`).catch(() => undefined)); tries++) {
    if (tries === 100) throw new Error('toxiproxy does not start');
    await sleep(50);
  }
  const places = hosts.map((host) => ({ ...host, address: host.address.replace(/^127\.1\./, '127.2.') }));
  const streams = ['upstream', 'downstream'] as const;
  for (const [n, { name, address }] of places.entries()) {
    const upstream = `${hosts[n]!.address}:${hosts[n]!.port}`;
    await ask('/proxies', { name, listen: `${address}:${hosts[n]!.port}`, upstream, enabled: true });
    for (const stream of streams)
      await ask(`/proxies/${name}/toxics`, { name: stream, type: 'latency', stream, attributes: { latency: 0 } });
  }
  return {
    by: `toxiproxy ${VERSION}`,
    places,
    setDelay: async (milliseconds) => {
      for (const { name } of places)
        for (const stream of streams)
          await ask(`/proxies/${name}/toxics/${stream}`, { attributes: { latency: milliseconds / 2 } });
    },
    cut: async () => {
      for (const enabled of [false, true]) for (const { name } of places) await ask(`/proxies/${name}`, { enabled });
    },
    close: async () => void server.kill(),
  };
}

async function relays(hosts: readonly Place[]): Promise<Line> {
  const all = await Promise.all(hosts.map(({ address, port }) => createRelay(port, 0, address)));
  return {
    by: 'a relay of the tests (toxiproxy could not be had)',
    places: hosts.map((host, n) => ({ ...host, address: '127.0.0.1', port: all[n]!.port })),
    setDelay: async (milliseconds) => {
      for (const relay of all) relay.slow(milliseconds / 2);
    },
    cut: async () => {
      for (const relay of all) relay.cut();
    },
    close: async () => {
      for (const relay of all) relay.close();
    },
  };
}
