import { createHash } from 'node:crypto';
import type { Target } from './host.ts';

/** What makes a remote job the same job. */
export interface JobIdentity {
  /** First execution run id of the rollout: a wiped server that counts from 1 again finds no old jobs. */
  readonly rollout: string;
  readonly step: string;
  readonly host: string;
  readonly generation: number;
  /** `apply`, `undo`, … */
  readonly purpose: string;
}

/** The key of a remote job: 32 hexadecimal digits. */
export function keyOf({ rollout, step, host, generation, purpose }: JobIdentity): string {
  return createHash('sha256')
    .update(JSON.stringify([rollout, step, host, generation, purpose]))
    .digest('hex')
    .slice(0, 32);
}

/** What makes a connection the same connection: who, where, by which way, with which credentials and which host key. */
export function keyOfTarget(target: Target): string {
  return createHash('sha256')
    .update(JSON.stringify(partsOf(target)))
    .digest('hex');
}

function partsOf(target: Target): readonly unknown[] {
  const { name, address, port, user, agent, become, password, privateKey, passphrase, sudoPassword, hostKey } = target;
  const { via, shares } = target;
  const parts = [name, address, port, user, agent, become, password, privateKey, passphrase, sudoPassword, hostKey];
  return [...parts.map((part) => part ?? null), shares ?? [], ...(via ? [partsOf(via)] : [])];
}
