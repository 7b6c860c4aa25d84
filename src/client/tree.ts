import type { StepState } from '../workflows/contract.ts';
import { clip, count, duration, printable, width } from './format.ts';
import { type Io, type Style, styling } from './io.ts';
import { isOver, leftOut, type Running, roleState, rolesOf, sitesOf, tally, type View } from './view.ts';
import { spinner } from './waiting.ts';
import { waitLines } from './waits.ts';

export interface Canvas extends Pick<Io, 'color' | 'unicode'> {
  readonly columns: number;
  readonly rows: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** How this program is called. Default: farweave. */
  readonly self?: string;
}

const MARKS: Readonly<Record<StepState, readonly [unicode: string, ascii: string]>> = {
  queued: ['·', '.'],
  provisioning: ['◐', '>'],
  done: ['✔', '+'],
  unchanged: ['=', '='],
  failed: ['✘', 'x'],
  parked: ['!', '!'],
  undone: ['↶', '<'],
  skipped: ['-', '-'],
};

const COLORS = {
  queued: 'dim',
  provisioning: 'cyan',
  done: 'green',
  unchanged: 'green',
  failed: 'red',
  parked: 'yellow',
  undone: 'yellow',
  skipped: 'dim',
} as const;

/**
 * A rollout by site, host and role: one line a host with a mark for each role, and below it what runs there.
 * Where there are more hosts than rows, sites and hosts in which nothing happens fold away.
 */
export function tree(view: View, canvas: Canvas): readonly string[] {
  const style = styling(canvas);
  const waits = waitLines(view, { self: 'farweave', ...canvas }).map((line) => ` ${style('yellow', line)}`);
  const head = [headline(view, canvas), ...waits.slice(0, Math.max(1, canvas.rows - 6))];
  const room = canvas.rows - 2 - head.length;
  const full = [...sitesOf(view.plan)].flatMap(([site, hosts]) => [
    siteLine(view, site, hosts, canvas, false),
    ...hosts.flatMap((host) => hostLines(view, host, canvas)),
  ]);
  const body = full.length <= room ? full : folded(view, canvas, room);
  return [...head, ...body].map((line) => clip(line, canvas.columns - 1));
}

/** The mark of a state, as in the tree. */
export function mark(state: StepState, canvas: Pick<Io, 'color' | 'unicode'>): string {
  return styling(canvas)(COLORS[state], MARKS[state][canvas.unicode ? 0 : 1]);
}

function headline(view: View, canvas: Canvas): string {
  const style = styling(canvas);
  const { total, settled, changed } = tally(view);
  const { state, doing, wave } = view.progress;
  const out = leftOut(view.progress).length;
  const parked = view.progress.parked.length - out;
  // What it is at is said below, where it waits.
  const isSaid = doing === '' || doing === state || (view.waits ?? []).some(({ site }) => site === undefined);
  const moving = isOver(state) || state === 'paused' ? '' : `${style('cyan', spinner(canvas, canvas.now))} `;
  return [
    `${moving}${style('bold', view.cluster)} revision ${view.revision}`,
    style(state === 'failed' ? 'red' : state === 'paused' ? 'yellow' : 'bold', state),
    duration((view.ended ?? canvas.now) - view.began),
    ...(wave ? [`wave ${wave.number} of ${wave.of}`] : []),
    `${settled} of ${total} steps`,
    `${changed} changed`,
    ...(parked > 0 ? [style('yellow', `${count(parked, 'host')} parked`)] : []),
    ...(out > 0 ? [style('yellow', `${count(out, 'host')} left out`)] : []),
    ...(view.trouble ? [style('yellow', view.trouble)] : isSaid ? [] : [style('dim', withoutWave(doing))]),
  ].join('  ');
}

/** `wave 2 of 5: start MongoDB`: which wave stands in the line already. */
const withoutWave = (doing: string) => doing.replace(/^wave \d+ of \d+: /, '');

function siteLine(view: View, site: string, hosts: readonly string[], canvas: Canvas, fold: boolean): string {
  const name = styling(canvas)('bold', site);
  if (!fold) return ` ${name}`;
  const states = Map.groupBy(hosts, (host) => hostState(view, host));
  const sums = [...states].map(([state, those]) => `${mark(state, canvas)} ${those.length} ${state}`);
  return ` ${name}  ${count(hosts.length, 'host')}: ${sums.join(', ')}`;
}

function hostLines(view: View, host: string, canvas: Canvas): readonly string[] {
  const style = styling(canvas);
  const names = view.plan.hosts.map(({ name }) => name.length);
  const indent = `   ${host.padEnd(Math.max(...names))}  `;
  const running = view.running.filter((one) => one.host === host).map((one) => runningLine(one, indent, canvas, style));
  const out = leftOut(view.progress).includes(host) ? `  ${style('dim', 'left out')}` : '';
  const room = canvas.columns - 1 - indent.length - width(out);
  return [indent + roleMarks(view, host, canvas, room) + out, ...running];
}

/** `✔ system  ✔ docker  ◐ wireguard  · dns`; where that is too wide, only what is not yet done keeps its name. */
function roleMarks(view: View, host: string, canvas: Canvas, room: number): string {
  const cells = rolesOf(view.plan)
    .map((role) => ({ role, state: roleState(view, role, host) }))
    .filter((cell): cell is { role: string; state: StepState } => cell.state !== undefined);
  const render = (isNamed: (state: StepState) => boolean) =>
    cells.map(({ role, state }) => `${mark(state, canvas)}${isNamed(state) ? ` ${role}` : ''}`).join('  ');
  const all = render(() => true);
  if (width(all) <= room) return all;
  const some = render((state) => state !== 'done' && state !== 'unchanged' && state !== 'skipped');
  return width(some) <= room
    ? some
    : render((state) => state !== 'queued' && state !== 'done' && state !== 'unchanged');
}

function runningLine(running: Running, indent: string, canvas: Canvas, style: Style): string {
  const attempt = running.attempt > 1 ? `  attempt ${running.attempt}` : '';
  const line = running.line ? `  ${style('dim', printable(running.line))}` : '';
  return `${' '.repeat(indent.length)}${running.what}  ${duration(canvas.now - running.since)}${attempt}${line}`;
}

/** Sites as sums, and below them the hosts that have something to say, as far as there is room. */
function folded(view: View, canvas: Canvas, room: number): readonly string[] {
  const sites = [...sitesOf(view.plan)];
  const lines: string[] = [];
  let hidden = 0;
  for (const [n, [site, hosts]] of sites.entries()) {
    // The sites still to come each keep their line.
    const reserved = sites.length - n - 1 + 1;
    if (lines.length + reserved >= room) {
      hidden += hosts.length;
      continue;
    }
    lines.push(siteLine(view, site, hosts, canvas, true));
    for (const host of hosts.filter((one) => isLoud(hostState(view, one)))) {
      const own = hostLines(view, host, canvas);
      if (lines.length + own.length + reserved <= room) lines.push(...own);
    }
  }
  return hidden > 0 ? [...lines, ` … and ${count(hidden, 'host')} of other sites`] : lines;
}

function isLoud(state: StepState): boolean {
  return state === 'provisioning' || state === 'failed';
}

/** How a host stands as a whole. */
function hostState(view: View, host: string): StepState {
  if (leftOut(view.progress).includes(host)) return 'skipped';
  if (view.progress.parked.includes(host)) return 'parked';
  const states = rolesOf(view.plan)
    .map((role) => roleState(view, role, host))
    .filter((state) => state !== undefined);
  for (const loud of ['failed', 'parked', 'undone'] as const) if (states.includes(loud)) return loud;
  if (states.includes('provisioning') || view.running.some((running) => running.host === host)) return 'provisioning';
  const waiting = states.filter((state) => state === 'queued').length;
  if (waiting === states.length) return 'queued';
  if (waiting > 0) return states.includes('done') ? 'provisioning' : 'queued';
  return states.includes('done') ? 'done' : 'unchanged';
}
