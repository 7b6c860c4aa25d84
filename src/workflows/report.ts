import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
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
  readonly state?: RolloutState | 'idle' | 'destroyed' | 'drifted' | 'clean';
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

/** Sites that are not done: those with parked hosts first, so that they are seen. `running` are workflow ids. */
export function siteRows(
  sites: ReadonlyMap<string, readonly string[]>,
  parked: ReadonlySet<string>,
  running: readonly string[],
): readonly (readonly string[])[] {
  const rows = [...sites].flatMap(([site, hosts]) => {
    const waiting = hosts.filter((host) => parked.has(host));
    const workflowId = running.find((id) => id.endsWith(`:${site}`));
    if (waiting.length === 0 && workflowId === undefined) return [];
    const state = waiting.length > 0 ? `parked: ${waiting.join(', ')}` : 'at work';
    return [[workflowId === undefined ? site : linkTo(workflowId, site), String(hosts.length), state]];
  });
  return rows.toSorted(([, , a = ''], [, , b = '']) => Number(b.startsWith('parked')) - Number(a.startsWith('parked')));
}

/** Relative, since nobody tells a workflow where its Web UI is. */
export function linkTo(workflowId: string, shown = workflowId): string {
  return `[${shown}](/namespaces/${workflowInfo().namespace}/workflows/${encodeURIComponent(workflowId)})`;
}

/** First line: what happened. Last line: what to do. */
export function explain(stopped: string, problems: readonly Problem[], todo: string): string {
  const others = problems.filter(({ message }) => message !== stopped);
  const shown = others.slice(0, 10).map(({ message }) => message);
  const more = others.length > shown.length ? [`and ${others.length - shown.length} more`] : [];
  // Of what stopped it; what was merely parked on the way has hints of its own.
  const culprit = problems.find(({ message }) => message === stopped) ?? problems[0];
  const hint = culprit?.hint;
  return [stopped, ...shown, ...more, `What to do: ${hint === undefined ? '' : `${hint} `}${todo}`].join('\n');
}
