import { readFileSync, writeFileSync } from 'node:fs';
import type { Progress } from './progress.ts';

/** All hosts of all labs are the same user to this kernel, and systemd, sshd and Docker in each of them watch files. */
const EACH = 64;
const FILE = '/proc/sys/fs/inotify/max_user_instances';

/**
 * Hosts that get no inotify instance boot half: systemd fails units and never says why. The usual limit (128) is enough for
 * five or so. Raised until the machine restarts, where that is allowed; elsewhere the engine's machine has its own limit.
 */
export function allowWatching(hosts: number, progress: Progress, file = FILE): void {
  const wanted = Math.max(512, EACH * hosts);
  try {
    if (Number(readFileSync(file, 'utf8')) >= wanted) return;
  } catch {
    return;
  }
  try {
    writeFileSync(file, `${wanted}`);
    progress(`fs.inotify.max_user_instances is ${wanted} now, until this machine restarts`);
  } catch {
    progress(`hosts may not boot: allow them to watch files: sysctl -w fs.inotify.max_user_instances=${wanted}`);
  }
}
