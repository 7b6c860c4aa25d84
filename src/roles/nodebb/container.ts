import type { HostSpec } from '../../plan/plan.ts';
import type { Container } from '../container.ts';
import { joining, SLOTS } from '../network.ts';
import { bareConfigOf } from './config-json.ts';
import { type Forum, inside, listens, mounts, NAME } from './forum.ts';

/** Seconds that NodeBB may take to close its connections. */
export const STOP = 20;

/**
 * The container. It starts the loader itself: the entry point of the published image runs `npm install` each time, and
 * does not hand SIGTERM on.
 */
export function containerOf(host: HostSpec, forum: Forum): Container {
  return {
    name: NAME,
    role: 'nodebb',
    cluster: forum.cluster,
    image: forum.image,
    stop: STOP,
    flags: [
      ...joining(forum.network, host, NAME, SLOTS.nodebb),
      `--publish=${forum.port}:${listens(forum)}`,
      // A machine that is gone says nothing: connections to it end after some 15 s instead of as many minutes.
      '--sysctl=net.ipv4.tcp_retries2=5',
      '--sysctl=net.ipv4.tcp_keepalive_intvl=5',
      '--sysctl=net.ipv4.tcp_keepalive_probes=3',
      ...inside(forum),
      ...mounts(forum),
      '--entrypoint=node',
    ],
    command: ['loader.js', '--no-silent', '--no-daemon'],
    reads: bareConfigOf(host, forum),
  };
}
