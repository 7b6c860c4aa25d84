import { list } from './fold.ts';
import { namedArguments, type Stage } from './plan.ts';

const WIDTH = 100;
/** Of one value; `--json` has it whole. */
const MOST_LINES = 6;

/** Longer ones are not said twice. */
const SHORT = 12;

/** The arguments of each stage, in lines. What an argument was the last time it is not told again. */
export function argumentLines(stages: readonly Stage[]): ReadonlyMap<Stage, readonly string[]> {
  const told = new Map<string, string>();
  return new Map(
    stages.map((stage) => {
      const all = namedArguments(stage.args).map(([name, value]) => ({ name, value: readable(value) }));
      const isOld = ({ name, value }: { name: string; value: string }) =>
        value.length > SHORT && told.get(name) === value;
      const old = all.filter(isOld).map(({ name }) => name);
      const fresh = all.filter((each) => !isOld(each));
      for (const { name, value } of fresh) told.set(name, value);
      const parts = [
        ...fresh.map(({ name, value }) => `${name} ${value}`),
        ...(old.length > 0 ? [`${list(old)} as above`] : []),
      ];
      return [stage, wrap(parts.join(', '))];
    }),
  );
}

/** A text in lines, broken at spaces and cut where it is very long. */
function wrap(text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ').filter((each) => each !== '')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word.length > WIDTH ? `${word.slice(0, WIDTH - 1)}…` : word);
  }
  return lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES - 1), '… (whole with --json)'] : lines;
}

/** JSON with less punctuation. */
function readable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(readable).join(' ')}]`;
  if (typeof value !== 'object' || value === null) return String(value).replaceAll('\n', '⏎') || "''";
  const inside = Object.entries(value).map(([key, each]) => `${key} ${readable(each)}`);
  return `{${inside.join(', ')}}`;
}
