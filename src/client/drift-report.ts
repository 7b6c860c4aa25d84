import type { ClusterView, Difference, DriftResult } from '../workflows/contract.ts';
import { clip, clock, count, printable, table } from './format.ts';
import { type Io, type Style, styling } from './io.ts';

type Look = Pick<Io, 'color' | 'unicode'>;

/** Columns for what is and for what should be; `--json` has all of it. */
const CELL = 48;

const COLORS = { operator: 'yellow', person: 'red', nobody: 'dim' } as const;

/** What differs, host by host, and who is to do what about it. */
export function driftLines(result: DriftResult, look: Look, self = 'farweave'): readonly string[] {
  const { asked, revision, differences, more, clean } = result;
  const style = styling(look);
  const hosts = count(asked, 'host');
  if (differences.length === 0)
    return [`No drift: ${hosts} as revision ${revision} made ${asked === 1 ? 'it' : 'them'}.`];
  const rows = differences.map(({ host, operation, now, wanted, act }) => [
    host,
    operation ?? '-',
    clip(printable(now), CELL),
    clip(printable(wanted), CELL),
    style(COLORS[act], act),
  ]);
  const due = differences.filter(({ act }) => act !== 'nobody');
  const where = new Set(due.map(({ host }) => host)).size;
  const mended = due.filter(({ repairable }) => repairable).length;
  const summary = clean
    ? `No drift that anybody has to act on: ${hosts} asked, measured by revision ${revision}.`
    : `${more ? 'at least ' : ''}${count(due.length, 'difference')} on ${count(where, 'host')}, measured by revision ${revision}; a repair mends ${mended}.`;
  return [
    ...table([['HOST', 'STEP', 'IS', 'WANTED', 'WHO ACTS'].map((head) => style('bold', head)), ...rows]),
    ...(more ? [`and ${more} more`] : []),
    '',
    ...todoLines(differences, style, self),
    '',
    summary,
  ];
}

/** What to do, with the hosts that it is about; what is most pressing first. */
function todoLines(differences: readonly Difference[], style: Style, self: string): readonly string[] {
  const groups = [...Map.groupBy(differences, ({ act, todo }) => `${act}\n${todo}`).values()];
  const order = Object.keys(COLORS);
  const sorted = groups.toSorted(([a], [b]) => order.indexOf(a!.act) - order.indexOf(b!.act));
  return table(
    sorted.map((group) => {
      const { act, todo } = group[0]!;
      return [
        style(COLORS[act], act),
        `${printable(todo).replace(/(?<![\w./-])farweave (?=[a-z])/, `${self} `)}  (${listed([...new Set(group.map(({ host }) => host))])})`,
      ];
    }),
  );
}

/** Of what the cluster remembers, for its status. */
export function driftRows({ drift }: Pick<ClusterView, 'drift'>, look: Look): readonly string[][] {
  if (!drift) return [];
  const style = styling(look);
  const { at, clean, differences, repairable, hosts, more } = drift;
  const when = clock(Date.parse(at));
  if (clean) return [['Drift', `none, looked at ${when}`]];
  const rows = Object.entries(hosts).map(([host, lines]) => [
    '',
    `${style('yellow', host)} ${printable(lines.join('; '))}`,
  ]);
  return [
    ['Drift', `${count(differences, 'difference')}, looked at ${when}; a repair mends ${repairable}`],
    ...rows,
    ...(more ? [['', `and ${more} more hosts`]] : []),
  ];
}

function listed(hosts: readonly string[]): string {
  return hosts.length <= 6 ? hosts.join(', ') : `${hosts.slice(0, 5).join(', ')} and ${hosts.length - 5} more`;
}
