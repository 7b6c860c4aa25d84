import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { program } from './program.ts';
import type { Machine } from './report.ts';
import { PINS } from './rivals/index.ts';
import type { Stand } from './stand.ts';

/** What the bench runs on, and with what. */
export async function machine({ farweave }: Stand): Promise<Machine> {
  const { serverVersion } = await farweave.client.workflowService.getSystemInfo({});
  const openssh = await program('sh', ['-c', 'ssh -V 2>&1']);
  const lock = JSON.parse(readFileSync(join(import.meta.dirname, '../../package-lock.json'), 'utf8')) as Lock;
  const [processor] = cpus();
  return {
    processor: processor?.model.trim() ?? 'an unknown processor',
    cores: cpus().length,
    memory: Math.round(totalmem() / 2 ** 30),
    versions: {
      Node: process.versions.node,
      Temporal: serverVersion ?? 'of an unknown version',
      OpenSSH: /^OpenSSH_([^ ,]+)/.exec(openssh)?.[1] ?? 'of an unknown version',
      ssh2: lock.packages['node_modules/ssh2']?.version ?? 'of an unknown version',
      ...PINS,
    },
  };
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>;
}
