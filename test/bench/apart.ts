import { execFileSync } from 'node:child_process';

/** Said to the program inside. */
const INSIDE = 'FARWEAVE_BENCH_APART';

/**
 * Becomes this program again in process and mount namespaces of its own. Whatever ends the bench, its hosts, servers
 * and mounts then end with it, after `kill -9` too: the kernel sees to that. /dev/shm is its own as well.
 */
export function apart(): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new Error(
      'The bench makes hosts of its own, which wants Linux and root. `make bench PART=demo` does without.',
    );
  if (process.env[INSIDE]) execFileSync('/usr/bin/mount', ['-t', 'tmpfs', 'farweave-bench', FOLDER]);
  else
    // biome-ignore format: flags with their values
    process.execve?.('/usr/bin/unshare', [
      'unshare', '--pid', '--fork', '--kill-child=SIGTERM', '--mount', '--mount-proc', '--propagation', 'private', '--',
      process.execPath, ...process.execArgv, ...process.argv.slice(1),
    ], { ...process.env, [INSIDE]: '1' });
}

/** In memory, and gone with the bench. */
export const FOLDER = '/dev/shm';
