import type { Window } from './plan.ts';

/** Whether a window is open, and for how many milliseconds it stays so. */
export interface Opening {
  readonly open: boolean;
  readonly milliseconds: number;
}

const DAY = 86_400_000;
/** How many days to look ahead: the only day of a week may be one on which the window does not open. */
const HORIZON = 15;

/**
 * Whether a window is open at a time, and how long until it closes (if it is) or opens (if not). One that never closes
 * is told to be open for a fortnight.
 * Where clocks are set back, a time that comes twice counts the first time; where they are set forward, one that never
 * comes is the moment of the jump. `from` and `to` alike are the whole day and night. Not for workflows: zones change
 * by law, and with them what this says of the same input.
 * @throws RangeError for a time zone that this machine does not know.
 */
export function opening(window: Window, at: Date): Opening {
  const now = at.getTime();
  const next = spans(window, now).find(({ until }) => now < until);
  if (next === undefined) return { open: false, milliseconds: HORIZON * DAY };
  const open = next.since <= now;
  return { open, milliseconds: (open ? next.until : next.since) - now };
}

/** When it is open, in milliseconds since 1970, from yesterday on. Spans that touch are one. */
function spans({ timezone, days, from, to }: Window, now: number): readonly { since: number; until: number }[] {
  const clock = clockOf(timezone);
  const [begins, ends] = [minutesOf(from) * 60_000, minutesOf(to) * 60_000];
  const today = Math.floor(clock(now) / DAY) * DAY;
  const found: { since: number; until: number }[] = [];
  for (let day = today - DAY; day <= today + HORIZON * DAY; day += DAY) {
    if (days !== undefined && !days.includes(new Date(day).getUTCDay())) continue;
    const since = momentOf(clock, day + begins);
    const until = momentOf(clock, (begins < ends ? day : day + DAY) + ends);
    const last = found.at(-1);
    if (last && since <= last.until) last.until = until;
    else if (since < until) found.push({ since, until });
  }
  return found;
}

/** What clocks on the wall show at a moment. Both in milliseconds since 1970, the wall's as if it were in Greenwich. */
type Clock = (moment: number) => number;

function clockOf(timeZone: string): Clock {
  const format = new Intl.DateTimeFormat('en', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (moment) => {
    const shown = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown;
    return Date.UTC(year, month - 1, day, hour, minute, second) + (moment % 1000);
  };
}

/** The first moment at which the wall shows a time, or a later one if it never shows that. */
function momentOf(clock: Clock, wall: number): number {
  // No place changes its clocks twice in two days: one of these offsets holds at that time.
  const candidates = [wall - DAY, wall + DAY].map((near) => wall - (clock(near) - near)).toSorted((a, b) => a - b);
  const exact = candidates.find((moment) => clock(moment) === wall);
  if (exact !== undefined) return exact;
  let [before = 0, after = 0] = candidates;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (clock(middle) < wall) before = middle;
    else after = middle;
  }
  return after;
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
}
