import type { Json, Stage } from './plan.ts';

/** Arguments that several stages have in common, by name, so that they need be read once only. */
export type Shared = ReadonlyMap<string, string>;

const WIDTH = 100;
/** Of one value; `--json` has it whole. */
const MOST_LINES = 6;

/** What is worth a name: longer than its name, and the same wherever it stands. */
export function sharedArguments(stages: readonly Stage[]): Shared {
  const texts = new Map<string, string[]>();
  for (const [name, value] of stages.flatMap(({ args }) => entries(args))) {
    texts.set(name, [...(texts.get(name) ?? []), readable(value)]);
  }
  return new Map(
    [...texts].flatMap(([name, [first = '', ...others]]) =>
      first.length > 40 && others.length > 0 && others.every((other) => other === first) ? [[name, first]] : [],
    ),
  );
}

/** The arguments of a stage, in lines; those that are shared by name alone. */
export function argumentLines(args: Json, shared: Shared): readonly string[] {
  const parts = entries(args).map(([name, value]) => (shared.has(name) ? name : `${name} ${readable(value)}`));
  return wrap(parts.join(', '));
}

/** A text in lines, broken at spaces and cut where it is very long. */
export function wrap(text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ').filter((each) => each !== '')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word.length > WIDTH ? `${word.slice(0, WIDTH - 1)}…` : word);
  }
  return lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES - 1), '… (whole with --json)'] : lines;
}

function entries(args: Json): readonly (readonly [string, unknown])[] {
  return typeof args === 'object' && args !== null && !Array.isArray(args) ? Object.entries(args) : [];
}

/** JSON with less punctuation. */
function readable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(readable).join(' ')}]`;
  if (typeof value !== 'object' || value === null) return String(value).replaceAll('\n', '⏎') || "''";
  const inside = Object.entries(value).map(([key, each]) => `${key} ${readable(each)}`);
  return `{${inside.join(', ')}}`;
}
