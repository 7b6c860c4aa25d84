import { createHash } from 'node:crypto';

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
