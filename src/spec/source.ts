import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from 'yaml';

type Path = readonly PropertyKey[];

/** A mistake that no schema sees. */
interface Mistake {
  readonly path: Path;
  readonly offset: number;
  readonly message: string;
}

/** A YAML text as a value, with the way back from a path in the value to a place in the text. */
export interface Source {
  /** Missing where the text is not one YAML document. */
  readonly value?: unknown;
  readonly mistakes: readonly Mistake[];
  /** Where a path stands, by its key; the nearest that does exist where it does not. */
  offset(path: Path): number;
  position(offset: number): { readonly line: number; readonly column: number };
}

/** More would be a text that was made to fill the memory, or the stack. */
const ALIASES = 100;
const DEPTH = 100;
/** Characters of what the YAML library says, which quotes the text. */
const QUOTED = 200;

/** Reads YAML 1.2. Never throws: what is wrong stands in `mistakes`. */
export function readSource(text: string): Source {
  const lines = new LineCounter();
  // Keys that stand twice are looked for below: the library compares each key with each other one.
  const options = { prettyErrors: false, stringKeys: true, uniqueKeys: false, resolveKnownTags: false };
  const doc = parseDocument(text, { lineCounter: lines, ...options });
  const find = finder(doc);
  const source = {
    offset: (path: Path) => find(path).range?.[0] ?? 0,
    position: (offset: number) => {
      const { line, col } = lines.linePos(offset);
      return { line: Math.max(line, 1), column: Math.max(col, 1) };
    },
  };
  // One fault in the syntax makes the parser stumble over the rest: only the first is worth reading.
  const [broken] = [...doc.errors, ...doc.warnings].toSorted((a, b) => a.pos[0] - b.pos[0]);
  if (broken) {
    const message = EXPLAINED[broken.code] ?? `is not valid YAML: ${broken.message.slice(0, QUOTED)}`;
    return { ...source, mistakes: [{ path: [], offset: broken.pos[0], message }] };
  }
  const mistakes = mistakesOf(doc.contents);
  if (mistakes.some(({ message }) => message === DEEP)) return { ...source, mistakes };
  try {
    const value: unknown = doc.toJS({ maxAliasCount: ALIASES });
    JSON.stringify(value); // an alias may stand inside of what it stands for
    return { ...source, value, mistakes };
  } catch {
    const message = `uses an alias inside of itself, or more than ${ALIASES} of them`;
    return { ...source, mistakes: [...mistakes, { path: [], offset: 0, message }] };
  }
}

/** A change of a YAML text: a value put at a path, put behind the last of a list, or (where there is none) taken out. */
export interface Edit {
  readonly path: Path;
  readonly value?: unknown;
  readonly append?: boolean;
}

/** The text after some edits, one after another. Comments stay; spaces may be set anew. */
export function edited(text: string, edits: readonly Edit[]): string {
  const doc = parseDocument(text, { stringKeys: true });
  for (const { path, value, append = false } of edits) {
    if (append) doc.addIn(path, doc.createNode(value));
    else if (value === undefined) doc.deleteIn(path);
    else doc.setIn(path, value);
  }
  return doc.toString({ lineWidth: 0 });
}

const EXPLAINED: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'is not valid YAML: a tab stands where only spaces may, in the indentation',
  MULTIPLE_DOCS: 'holds more than one YAML document (---); wants one cluster a file',
  RESOURCE_EXHAUSTION: 'is nested too deeply',
  TAG_RESOLVE_FAILED: 'uses a YAML tag (!…); wants plain values',
};

const DEEP = `is nested more than ${DEPTH} levels deep`;

/** What the library takes and we do not, from the top to the bottom. */
function mistakesOf(node: unknown, path: Path = []): readonly Mistake[] {
  const offset = (isNode(node) && node.range?.[0]) || 0;
  if (path.length > DEPTH) return [{ path: path.slice(0, 3), offset, message: DEEP }];
  if (isSeq(node)) return node.items.flatMap((item, n) => mistakesOf(item, [...path, n]));
  if (isMap(node)) {
    const keys = new Set<string>();
    return node.items.flatMap(({ key, value }) => {
      const name = isScalar(key) ? String(key.value) : '';
      const at = [...path, name];
      const isDoubled = isScalar(key) && keys.has(name);
      keys.add(name);
      return [
        ...(isDoubled ? [{ path: at, offset: key.range?.[0] ?? offset, message: 'stands twice' }] : []),
        ...textMistakes(key, at),
        ...mistakesOf(value, at),
      ];
    });
  }
  return textMistakes(node, path);
}

/** A shell ends a text at a NUL, and half a character has no bytes: what would arrive on a host is something else. */
function textMistakes(node: unknown, path: Path): readonly Mistake[] {
  if (!isScalar(node) || typeof node.value !== 'string') return [];
  const what = node.value.includes('\0') ? 'a NUL byte' : node.value.isWellFormed() ? undefined : 'half a character';
  return what ? [{ path, offset: node.range?.[0] ?? 0, message: `holds ${what}, which no host can be given` }] : [];
}

/** Finds the node whose position stands for a path. */
function finder(doc: Document.Parsed): (path: Path) => Node {
  const tables = new WeakMap<YAMLMap, ReadonlyMap<unknown, Pair>>();
  const pairOf = (map: YAMLMap, key: string) => {
    const table = tables.get(map) ?? new Map(map.items.toReversed().map((pair) => [valueOf(pair.key), pair]));
    tables.set(map, table);
    return table.get(key);
  };
  return (path) => {
    let found: Node = doc.contents ?? doc.createNode(null);
    let node: unknown = doc.contents;
    for (const step of path) {
      const inside: unknown = isAlias(node) ? node.resolve(doc) : node;
      if (isMap(inside)) {
        const pair = pairOf(inside, String(step));
        if (!pair || !isNode(pair.key)) break;
        found = pair.key;
        node = pair.value;
      } else if (isSeq(inside) && typeof step === 'number') {
        node = inside.items[step];
        if (!isNode(node)) break;
        found = node;
      } else break;
    }
    return found;
  };
}

const valueOf = (key: unknown) => (isScalar(key) ? key.value : undefined);
