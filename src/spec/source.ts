import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

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

/** More would be a text that was made to fill the memory. */
const ALIASES = 100;

/** Reads YAML 1.2. Never throws: what is wrong stands in `mistakes`. */
export function readSource(text: string): Source {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const source = {
    offset: (path: Path) => find(doc, path).range?.[0] ?? 0,
    position: (offset: number) => {
      const { line, col } = lines.linePos(offset);
      return { line: Math.max(line, 1), column: Math.max(col, 1) };
    },
  };
  const found = [...doc.errors, ...doc.warnings].map(({ code, message, pos: [offset] }) => ({ code, message, offset }));
  const doubled = found
    .filter(({ code }) => code === 'DUPLICATE_KEY')
    .map(({ offset }) => ({ path: pathOf(doc.contents, offset), offset, message: 'stands twice' }));
  // One fault in the syntax makes the parser stumble over the rest: only the first is worth reading.
  const [broken] = found.filter(({ code }) => code !== 'DUPLICATE_KEY').toSorted((a, b) => a.offset - b.offset);
  if (broken) {
    const message = EXPLAINED[broken.code] ?? `is not valid YAML: ${broken.message}`;
    return { ...source, mistakes: [...doubled, { path: [], offset: broken.offset, message }] };
  }
  try {
    const value: unknown = doc.toJS({ maxAliasCount: ALIASES });
    JSON.stringify(value); // an alias may stand inside of what it stands for
    return { ...source, value, mistakes: doubled };
  } catch {
    const message = `uses an alias inside of itself, or more than ${ALIASES} of them`;
    return { ...source, mistakes: [...doubled, { path: [], offset: 0, message }] };
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
  TAG_RESOLVE_FAILED: 'uses a YAML tag (!…); wants plain values',
};

/** The node whose position stands for a path. */
function find(doc: Document.Parsed, path: Path): Node {
  let found: Node = doc.contents ?? doc.createNode(null);
  let node: unknown = doc.contents;
  for (const step of path) {
    const inside: unknown = isAlias(node) ? node.resolve(doc) : node;
    if (isMap(inside)) {
      const pair = inside.items.find(({ key }) => isScalar(key) && key.value === String(step));
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
}

/** The path of the key that begins at an offset. */
function pathOf(node: unknown, offset: number): Path {
  if (isSeq(node)) {
    const at = node.items.findIndex((item) => covers(item, offset));
    return at < 0 ? [] : [at, ...pathOf(node.items[at], offset)];
  }
  if (!isMap(node)) return [];
  for (const { key, value } of node.items) {
    if (!isScalar(key)) continue;
    if (key.range?.[0] === offset) return [String(key.value)];
    if (covers(value, offset)) return [String(key.value), ...pathOf(value, offset)];
  }
  return [];
}

function covers(node: unknown, offset: number): boolean {
  return isNode(node) && !!node.range && node.range[0] <= offset && offset < node.range[2];
}
