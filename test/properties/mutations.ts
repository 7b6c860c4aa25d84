import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';
import { anything, hostile } from './hostile.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** Files that are right, of every role between them. */
export const VALID = [
  'examples/nodebb.yaml',
  'examples/redis-web.yaml',
  'examples/prometheus.yaml',
  'cluster.example.yaml',
].map(read);

/** The small one more often than the others: ten thousand must not take minutes. */
const chosen = fc.oneof(
  { weight: 8, arbitrary: fc.constant(VALID[0]!) },
  ...VALID.slice(1).map((text) => fc.constant(text)),
);

interface Edit {
  readonly how: number;
  /** Where, from 0 to 1, and another place. */
  readonly at: number;
  readonly to: number;
  readonly value: unknown;
}

/** A cluster.yaml that somebody, or something, has been at: as a value, as a text, or as bytes. */
export function mutated(): fc.Arbitrary<string> {
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(chosen, edits('value')).map(([text, all]) => asValue(text, all)),
    },
    {
      weight: 4,
      arbitrary: fc.tuple(chosen, edits('text')).map(([text, all]) => asText(text, all)),
    },
    { weight: 1, arbitrary: anything(500) },
  );
}

function edits(of: 'value' | 'text'): fc.Arbitrary<readonly Edit[]> {
  const value =
    of === 'value' ? fc.oneof(fc.constantFrom(...WILD), hostile) : fc.oneof(fc.constantFrom(...TEXTS), hostile);
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  return fc.array(fc.record({ how: fc.nat(), at: place, to: place, value }), { minLength: 1, maxLength: 4 });
}

/** What may stand where something else should. */
const WILD: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  Number.NaN,
  '',
  'x'.repeat(70_000),
  [],
  {},
  [[]],
  [null],
  { '': '' },
  JSON.parse('{ "__proto__": { "polluted": true } }'),
  { constructor: { prototype: { polluted: true } } },
  { env: 'X' },
  { generated: 'x' },
  '*',
  '10.0.0.0/8',
  'vm0',
  Array.from({ length: 300 }, (_, n) => n),
  nested(60),
  nested(300),
];

/** Pieces of text that YAML, or who reads it, may stumble over. */
const TEXTS = [
  '\t',
  '\0',
  '\ufeff',
  '\r',
  '\u2028',
  '\ud800',
  '---\n',
  '...\n',
  '&a ',
  '*a ',
  '<<: *a\n',
  '!!binary ',
  '!!js/function ',
  '%YAML 9.9\n',
  '? ',
  ': ',
  '- ',
  '{',
  '[',
  '"',
  "'",
  '|\n',
  '>-\n',
  '# ',
  '__proto__: { polluted: true }\n',
  'constructor: 1\n',
  'hosts: []\n',
  '[['.repeat(500),
  `"${'y'.repeat(100_000)}"`,
  `b: [${'x,'.repeat(2_000)}]\n`,
  laughs(),
];

function nested(depth: number): unknown {
  return depth === 0 ? 'x' : depth % 2 ? [nested(depth - 1)] : { a: nested(depth - 1) };
}

/** A billion laughs. */
function laughs(): string {
  const all = 'bcdefghij'
    .split('')
    .map((name, n) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[n]}`).join(', ')}]\n`);
  return `\na: &a [x, x]\n${all.join('')}`;
}

/** Drops, doubles, retypes, swaps and renames what stands in the value. */
function asValue(text: string, all: readonly Edit[]): string {
  const root: unknown = parse(text);
  for (const { how, at, to, value } of all) {
    const places = placesIn(root);
    const place = places[Math.floor(at * places.length)];
    const other = places[Math.floor(to * places.length)];
    if (!place || !other) break;
    if (how % 6 === 0) take(place);
    else if (how % 6 === 1) put(place, value);
    else if (how % 6 === 2) put(place, structuredClone(other.in[other.key]));
    else if (how % 6 === 3) double(place);
    else if (how % 6 === 4) rename(place, String(value).slice(0, 200));
    else put(place, { ...Object(place.in[place.key]), [String(other.key)]: value });
  }
  // As JSON, which is YAML too, whatever stands in it; else as one writes it.
  return all.length % 2 ? stringify(root, { aliasDuplicateObjects: false }) : JSON.stringify(root);
}

/** Cuts, doubles, moves and puts in pieces of the text. */
function asText(text: string, all: readonly Edit[]): string {
  return all.reduce((now, { how, at, to, value }) => {
    const [from, until] = [at, to].map((place) => Math.floor(place * now.length)).toSorted((a, b) => a - b) as [
      number,
      number,
    ];
    const lines = now.split('\n');
    const line = Math.floor(at * lines.length);
    if (how % 5 === 0) return now.slice(0, from) + now.slice(Math.min(until, from + 40));
    if (how % 5 === 1) return now.slice(0, until) + now.slice(from, from + 200) + now.slice(until);
    if (how % 5 === 2)
      return [...lines.slice(0, line), `${lines[line]}${String(value)}`, ...lines.slice(line + 1)].join('\n');
    if (how % 5 === 3) return lines.toSpliced(line, 1, lines[Math.floor(to * lines.length)] ?? '').join('\n');
    return now.slice(0, from) + String(value) + now.slice(from);
  }, text);
}

interface Place {
  readonly in: Record<string, unknown>;
  readonly key: string;
}

function placesIn(value: unknown, depth = 0): readonly Place[] {
  if (typeof value !== 'object' || value === null || depth > 8) return [];
  const inside = value as Record<string, unknown>;
  return Object.keys(inside).flatMap((key) => [{ in: inside, key }, ...placesIn(inside[key], depth + 1)]);
}

function put({ in: inside, key }: Place, value: unknown): void {
  Object.defineProperty(inside, key, { value, enumerable: true, configurable: true, writable: true });
}

function take({ in: inside, key }: Place): void {
  if (Array.isArray(inside)) inside.splice(Number(key), 1);
  else delete inside[key];
}

function double({ in: inside, key }: Place): void {
  if (Array.isArray(inside)) inside.push(structuredClone(inside[Number(key)]));
  else put({ in: inside, key: `${key}2` }, structuredClone(inside[key]));
}

function rename(place: Place, key: string): void {
  const value = place.in[place.key];
  take(place);
  put({ in: place.in, key }, value);
}
