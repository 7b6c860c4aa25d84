import * as z from 'zod';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Timers may be that long, and people's patience is shorter. */
const MOST_DAYS = 30;

const DURATION = 'wants a duration such as 90s, 5m, 24h or 2d';

/** A duration as one writes it. In the parsed spec milliseconds. */
export const duration = z
  .string(DURATION)
  .regex(/^[1-9]\d{0,7}[smhd]$/, DURATION)
  .refine((text) => milliseconds(text) <= MOST_DAYS * 86_400_000, `is too long: wants at most ${MOST_DAYS}d`)
  .transform(milliseconds);

function milliseconds(text: string): number {
  return Number.parseInt(text, 10) * (UNITS[text.at(-1) ?? ''] ?? 1_000);
}
