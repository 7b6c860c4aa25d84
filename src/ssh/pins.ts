import type { Target } from './host.ts';

/** A machine and the bastions before it, held to no key. */
export function unpinned(target: Target): Target {
  const { hostKey: _, via, ...rest } = target;
  return { ...rest, ...(via && { via: unpinned(via) }) };
}

/** Whether a machine and all bastions before it are held to keys, and have shown just these. `shown`: name → key. */
export function hasShown({ name, hostKey, via }: Target, shown: Readonly<Record<string, string>>): boolean {
  return hostKey !== undefined && shown[name] === hostKey && (via === undefined || hasShown(via, shown));
}
