import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { TestProject } from 'vitest/node';
import { fairTurns } from '../../src/client/dev/server.ts';
import { findTemporal } from '../../src/client/dev/temporal-cli.ts';
import { bundleWorkflows } from '../../src/worker/bundle.ts';
import { registerSearchAttributes } from '../../src/worker/search-attributes.ts';
import { ELSEWHERE } from './elsewhere.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    address: string;
    /** Base address of Temporal's HTTP API. */
    http: string;
    bundlePath: string;
  }
}

/** One server and one bundle for all files. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const http = await freePort();
  const [env, { code }] = await Promise.all([
    TestWorkflowEnvironment.createLocal({
      server: {
        executable: { type: 'existing-path', path: await findTemporal({ progress: console.log }) },
        // Low, so that a test can see a cluster workflow continue as new.
        // biome-ignore format: flags with their values
        extraArgs: [
          '--log-level', 'error', '--namespace', ELSEWHERE, '--http-port', String(http),
          ...fairTurns,
          '--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=150',
        ],
      },
    }),
    bundleWorkflows(),
  ]);
  await registerSearchAttributes(env.connection, 'default');
  await registerSearchAttributes(env.connection, ELSEWHERE);
  const bundlePath = join(tmpdir(), `farweave-workflows-${process.pid}.cjs`);
  await writeFile(bundlePath, code);
  project.provide('address', env.address);
  project.provide('http', `http://127.0.0.1:${http}`);
  project.provide('bundlePath', bundlePath);
  return async () => {
    await rm(bundlePath);
    await env.teardown();
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
