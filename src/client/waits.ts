import type { Progress } from '../workflows/contract.ts';
import { clock, count, duration } from './format.ts';
import { failedHosts, type View, type Waiting } from './view.ts';

/** More sites than these are only counted. */
const SITES = 4;

/** What a rollout waits for, from looks at it and at its sites. One of an earlier release says only that it is paused. */
export function waitsOf(own: Progress, sites: ReadonlyMap<string, Progress>): readonly Waiting[] {
  const before = own.stuck ? 'decision' : 'resume';
  const all = own.waits ?? (own.state === 'paused' ? { for: before } : undefined);
  const some = [...sites].flatMap(([site, { waits }]) => (waits ? [{ ...waits, site }] : []));
  return [...(all ? [all] : []), ...some];
}

/**
 * What a rollout waits for, until when, and what there is to do about it: a line each. Times are those of this machine,
 * of a window those of its site. `now` in milliseconds since 1970.
 */
export function waitLines(view: View, { now, self }: { readonly now: number; readonly self: string }): string[] {
  const waits = view.waits ?? [];
  const sites = waits.filter(({ site }) => site !== undefined);
  const shown = [...waits.filter(({ site }) => site === undefined), ...sites.slice(0, SITES)];
  const rest = sites.length - SITES;
  return [
    ...shown.map((wait) => sentence(wait, view, { now, self })),
    ...(rest > 0 ? [`and ${count(rest, 'more site waits', 'more sites wait')}`] : []),
  ];
}

function sentence(wait: Waiting, view: View, { now, self }: { readonly now: number; readonly self: string }): string {
  const { progress, plan } = view;
  const at = wait.until === undefined ? undefined : Date.parse(wait.until);
  const left = at === undefined ? '' : ` (in ${duration(at - now)})`;
  const until = (zone?: string) => (at === undefined ? '' : `${clock(at, zone)}${left}`);
  switch (wait.for) {
    case 'approval':
      return `waits for an approval until ${until()}: ${self} approve`;
    case 'soak':
      return `lets the last wave run until ${until()} before the next one goes`;
    case 'window': {
      const zone = wait.site === undefined ? undefined : plan.policy?.windows?.[wait.site]?.timezone;
      return `waits until ${wait.site === undefined ? 'a window' : `the window of ${wait.site}`} opens: ${until(zone)}`;
    }
    case 'resume':
      return `${progress.doing.startsWith('paused') ? progress.doing : 'is paused'}; ${self} resume goes on`;
    case 'decision':
      return `${failure(failedHosts(progress))}; nothing new begins before somebody decides: ${self} retry, skip, rollback or cancel`;
  }
}

function failure(hosts: readonly string[]): string {
  if (hosts.length === 0) return 'something has failed';
  return `${hosts.slice(0, 5).join(', ')}${hosts.length > 5 ? ` and ${hosts.length - 5} more` : ''} failed`;
}
