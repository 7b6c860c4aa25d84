import { fold, list, many } from './fold.ts';
import type { HostSpec, Plan, Stage, Window } from './plan.ts';

/** What a plan's policy means for its hosts, in lines by their label. Empty where there is none. */
export function policyText({
  hosts,
  policy = {},
}: Plan): readonly (readonly [label: string, lines: readonly string[]])[] {
  const { waves = [], canary, soak, approval, windows = {} } = policy;
  const all = hosts.map(({ name }) => name);
  const width = String(waves.length).length;
  const wave = (names: readonly string[], n: number) =>
    `${String(n + 1).padStart(width)}  ${fold(names, all)}${where(names, hosts)}${canary && n === 0 ? ': the canary' : ''}`;
  const first = canary ? 'the canary' : 'the first wave';
  const point = approval?.before === 'start' ? 'before anything is changed' : `after ${first}`;
  return [
    ['Waves', waves.map(wave)],
    ['Soak', soak === undefined ? [] : [`${spoken(soak)} between a wave that changed something and the next one`]],
    ['Approval', approval ? [`somebody must agree ${point}, within ${spoken(approval.expires)}`] : []],
    ['Sites', reachText(hosts)],
    ['Windows', Object.entries(windows).map(([site, window]) => `${site}: work may begin ${windowText(window)}`)],
  ];
}

/** Sites that are not just reached from anywhere, as often as one likes. */
function reachText(hosts: readonly HostSpec[]): readonly string[] {
  return [...Map.groupBy(hosts, ({ site }) => site)].flatMap(([site, [host]]) => {
    const { sessions, startsPerSecond } = host?.limits ?? {};
    const ways = [
      ...(host?.workers === 'own' ? ['only its own workers reach it'] : []),
      ...(sessions === undefined ? [] : [`at most ${many(sessions, 'connection')} of a worker at once`]),
      ...(startsPerSecond === undefined ? [] : [`at most ${many(startsPerSecond, 'connection')} begun a second`]),
    ];
    return ways.length === 0 ? [] : [`${site}: ${ways.join(', ')}`];
  });
}

/** How many hosts a stage may take from others, or be without itself. */
export function spareText(stage: Stage, stages: readonly Stage[]): readonly string[] {
  const isGuard = ({ spare, hosts }: Stage) => spare !== undefined && hosts.some((host) => stage.hosts.includes(host));
  const guards = list([...new Set(stages.filter(isGuard).map(({ operation }) => operation))]);
  const numbers = guards === '' ? '' : `: keeps to what ${guards} can spare`;
  return [
    ...(stage.disrupts ? [`may interrupt what serves${numbers}`] : []),
    ...(stage.spare === undefined ? [] : [`at most ${many(stage.spare, 'host')} may be without it at a time`]),
  ];
}

/** The sites that a wave is at, where there are others. */
function where(names: readonly string[], hosts: readonly HostSpec[]): string {
  const sitesOf = (some: readonly HostSpec[]) => [...new Set(some.map(({ site }) => site))];
  const here = sitesOf(hosts.filter(({ name }) => names.includes(name)));
  if (sitesOf(hosts).length === 1) return '';
  return here.length <= 3 ? ` in ${list(here)}` : ` in ${many(here.length, 'site')}`;
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

function windowText({ timezone, days, from, to }: Window): string {
  const on = days ? ` on ${list(days.map((day) => DAYS[day] ?? String(day)))}` : '';
  return `from ${from} to ${to}${on} (${timezone})`;
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** In the largest unit that leaves no rest. */
function spoken(milliseconds: number): string {
  const [unit, length] = UNITS.find((each) => milliseconds % each[1] === 0) ?? ['second', 1_000];
  return many(milliseconds / length, unit);
}
