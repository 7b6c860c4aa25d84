import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import type { Account } from './account.ts';
import type { Problem, RolloutState } from './contract.ts';

const KEYS = {
  cluster: defineSearchAttributeKey('FarweaveCluster', 'KEYWORD'),
  site: defineSearchAttributeKey('FarweaveSite', 'KEYWORD'),
  revision: defineSearchAttributeKey('FarweaveRevision', 'INT'),
  state: defineSearchAttributeKey('FarweaveState', 'KEYWORD'),
  parked: defineSearchAttributeKey('FarweaveParked', 'INT'),
};

interface Attributes {
  readonly cluster?: string;
  readonly site?: string;
  readonly revision?: number;
  readonly state?: RolloutState | 'idle';
  readonly parked?: number;
}

/** For a start. */
export function attributes(values: Attributes): SearchAttributePair[] {
  return Object.entries(values).map(
    ([name, value]) => ({ key: KEYS[name as keyof Attributes], value }) as SearchAttributePair,
  );
}

/** What the lists of the Web UI show and filter by. Once before a throw: afterwards nothing can be told. */
export function upsert(values: Attributes): void {
  upsertSearchAttributes(attributes(values));
}

/** The tab "User Metadata" of the Web UI. At most 20 kB. */
export function detail(title: string, lines: readonly string[], rows: readonly (readonly string[])[]): void {
  const table =
    rows.length > 0
      ? ['| Site | Hosts | State |', '| --- | --- | --- |', ...rows.map((row) => `| ${row.join(' | ')} |`)]
      : [];
  setCurrentDetails([`### ${title}`, '', ...lines, '', ...table].join('\n').slice(0, 18_000));
}

/** Sites with something left to do come first, so that they are seen. */
export function siteRows(
  sites: ReadonlyMap<string, readonly string[]>,
  account: Account,
  running: readonly string[],
): readonly (readonly string[])[] {
  return [...sites].flatMap(([site, hosts]) => {
    const parked = hosts.filter((host) => account.parked.has(host));
    const state = parked.length > 0 ? `parked: ${parked.join(', ')}` : 'at work';
    const isRunning = running.some((id) => id.endsWith(`:${site}`));
    return isRunning || parked.length > 0 ? [[site, String(hosts.length), state]] : [];
  });
}

/** First line: what happened. Last line: what to do. */
export function explain(stopped: string, problems: readonly Problem[], todo: string): string {
  const others = problems.filter(({ message }) => message !== stopped);
  const shown = others.slice(0, 10).map(({ message }) => message);
  const more = others.length > shown.length ? [`and ${others.length - shown.length} more`] : [];
  const [hint] = problems.flatMap((problem) => problem.hint ?? []);
  return [stopped, ...shown, ...more, `What to do: ${hint === undefined ? '' : `${hint} `}${todo}`].join('\n');
}
