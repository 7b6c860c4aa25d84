import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Machine, machineWith } from '../documented.ts';
import { program } from './program.ts';
import { PINS } from './rivals/index.ts';
import type { Stand } from './stand.ts';

/** What the bench runs on, and with what. */
export async function machine({ farweave }: Stand): Promise<Machine> {
  const unknown = 'of an unknown version';
  const { serverVersion } = await farweave.client.workflowService.getSystemInfo({});
  const openssh = await program('sh', ['-c', 'ssh -V 2>&1']);
  const lock = JSON.parse(readFileSync(join(import.meta.dirname, '../../package-lock.json'), 'utf8')) as Lock;
  return machineWith({
    Node: process.versions.node,
    Temporal: serverVersion ?? unknown,
    OpenSSH: /^OpenSSH_([^ ,]+)/.exec(openssh)?.[1] ?? unknown,
    ssh2: lock.packages['node_modules/ssh2']?.version ?? unknown,
    ...PINS,
  });
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>;
}
