import type { Limits } from '../plan/plan.ts';
import { Bastions } from './bastions.ts';
import type { Connect, Target } from './host.ts';
import { keyOfTarget } from './key.ts';
import { Limiter } from './limits.ts';
import { unpinned } from './pins.ts';
import { type HostOptions, PooledHost } from './pooled-host.ts';

/** Times in milliseconds, what is left out as in `DEFAULTS`. */
export interface PoolOptions extends Partial<HostOptions> {
  /** Of all its connections. */
  readonly limits?: Limits;
}

const DEFAULTS = {
  readyTimeout: 20_000,
  opening: 30_000,
  keepalive: 5_000,
  idle: 300_000,
  resting: 250,
  channels: 8, // sshd's MaxSessions is 10 unless told
  links: 4,
  wait: 10_000,
  state: '/var/lib/farweave',
  volatile: '/run/farweave',
  grace: 10,
  keepDays: 14,
  logLimit: 32 * 1024 * 1024,
  reconnect: 60_000,
  margin: 120_000,
} as const satisfies HostOptions;

/** One pooled connection a host and worker: callers share the login, and their work shares its channels. */
export interface Pool {
  /** Rejects with Unreachable, AuthenticationFailed or HostKeyChanged. Other credentials are another connection. */
  readonly connect: Connect;
  /** Lets go of everything: jobs run on, and who follows one is told Detached. */
  close(): Promise<void>;
}

export function createPool({ limits, ...options }: PoolOptions = {}): Pool {
  const settings = { ...DEFAULTS, ...options };
  const closing = new AbortController();
  const hosts = new Map<string, PooledHost>();
  const resting = new Set<unknown>();
  const limiter = new Limiter((share) => [...hosts.values()].find((host) => host.isSpareOf(share))?.end());
  const bastions = new Bastions(settings, closing.signal, limiter);
  /** One that was met without pins, and has shown what is wanted by now: the same connections are held to that. */
  const met = (target: Target): PooledHost | undefined => {
    const before = keyOfTarget(unpinned(target));
    const host = hosts.get(before);
    if (!host?.hasShown(target)) return undefined;
    hosts.delete(before);
    host.pin(target);
    return host;
  };
  return {
    connect: async (target, during) => {
      const key = keyOfTarget(target);
      const shares = [...(target.shares ?? []), ...(limits ? [{ of: 'this worker', ...limits }] : [])];
      const way = { bastions, turns: { limiter, shares }, resting };
      const host = hosts.get(key) ?? met(target) ?? new PooledHost(target, settings, closing.signal, way);
      hosts.set(key, host);
      try {
        await host.ready(during);
      } catch (error) {
        // Nobody is there: no reason to remember its credentials.
        if (host.hostKey === '') hosts.delete(key);
        throw error;
      }
      return host;
    },
    close: async () => {
      closing.abort();
      for (const host of hosts.values()) host.end();
      hosts.clear();
      bastions.end();
    },
  };
}
