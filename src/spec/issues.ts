import type * as z from 'zod';
import { suggestion } from './problem.ts';

/** A schema's complaint about the value at a path. */
export interface Complaint {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

type Shape = z.core.JSONSchema._JSONSchema;

/** For `safeParse`: says in the words of this program what a schema has no words of its own for. */
export const say: z.core.$ZodErrorMap = (issue) => {
  const { input } = issue;
  switch (issue.code) {
    case 'invalid_type':
      return input === undefined ? `is missing: wants ${kind(issue.expected)}` : wants(kind(issue.expected), input);
    case 'invalid_value': {
      if (input === undefined) return `is missing: wants ${either(issue.values)}`;
      const near = typeof input === 'string' ? suggestion(input, issue.values.map(String)) : '';
      return `${wants(either(issue.values), input)}${near}`;
    }
    case 'too_small':
      return `is ${sized(input, 'too short')}: wants at least ${issue.minimum}`;
    case 'too_big':
      return `is ${sized(input, 'too long')}: wants at most ${issue.maximum}`;
    case 'invalid_format':
      return wants(
        FORMATS[issue.format] ?? (issue.pattern ? `what matches ${issue.pattern}` : `a valid ${issue.format}`),
        input,
      );
    case 'invalid_union':
      return `${input === undefined ? 'is missing: ' : ''}${wants(alternatives(issue.errors), input)}`;
    default:
      return undefined;
  }
};

/** What the branches of a union want, each in a word. */
function alternatives(branches: readonly (readonly z.core.$ZodIssue[])[]): string {
  const words = branches.flatMap(([first]) => {
    if (first?.code === 'invalid_type') return [kind(first.expected)];
    if (first?.code === 'invalid_value') return [either(first.values)];
    return [];
  });
  return [...new Set(words)].join(' or ') || 'another value';
}

/** A schema's issues, one for each thing to mend. `shape` is the schema as JSON Schema: it knows the keys there are. */
export function complaints(issues: readonly z.core.$ZodIssue[], shape: Shape): readonly Complaint[] {
  return issues.flatMap((issue): readonly Complaint[] => {
    const path = plain(issue.path);
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(shape, path);
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `unknown key "${key}"${suggestion(key, known) || `; known here: ${known.join(', ')}`}`,
      }));
    }
    if (issue.code === 'invalid_key') {
      return [{ path, message: issue.issues[0]?.message ?? issue.message }];
    }
    if (issue.code === 'invalid_union') return [branch(issue)];
    return [{ path, message: issue.message }];
  });
}

/** Of a union that nothing fits, the complaint of the one branch that was meant, or of the union as a whole. */
function branch(issue: z.core.$ZodIssueInvalidUnion): Complaint {
  // A branch that knows all keys and misses none was meant, whatever is wrong with the values.
  const meant = issue.errors.filter((errors) =>
    errors.every(({ path, code }) => path.length > 0 && code !== 'unrecognized_keys'),
  );
  const [inner] = meant.length === 1 ? (meant[0] ?? []) : [];
  return inner
    ? { path: plain([...issue.path, ...inner.path]), message: inner.message }
    : { path: plain(issue.path), message: issue.message };
}

/** The keys that a schema knows at a path. */
function keysAt(shape: Shape, path: Complaint['path']): readonly string[] {
  if (typeof shape === 'boolean') return [];
  const [step, ...rest] = path;
  const branches = [shape, ...(shape.anyOf ?? [])].filter((branch) => typeof branch === 'object');
  if (step === undefined) return [...new Set(branches.flatMap(({ properties }) => Object.keys(properties ?? {})))];
  return branches.flatMap(({ properties, additionalProperties, items }) => {
    const next = typeof step === 'number' ? items : (properties?.[step] ?? additionalProperties);
    return next === undefined || Array.isArray(next) ? [] : keysAt(next, rest);
  });
}

/** YAML has no symbols. */
const plain = (path: readonly PropertyKey[]) => path.map((key) => (typeof key === 'number' ? key : String(key)));

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
};

const FORMATS: Readonly<Record<string, string>> = {
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  cidrv4: 'an IPv4 range such as 10.200.0.0/16',
  url: 'a URL',
  email: 'an e-mail address',
};

const kind = (expected: string) => KINDS[expected] ?? expected;
const either = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).join(' or ');

function wants(what: string, input: unknown): string {
  const hint = input === null && what === KINDS.object ? ' (write {} for all defaults)' : '';
  return `wants ${what}, not ${shown(input)}${hint}`;
}

/** A number by itself, and of what has a length what is wrong with it. */
function sized(input: unknown, wrong: string): string {
  if (typeof input === 'number') return String(input);
  return input === '' || (Array.isArray(input) && input.length === 0) ? 'empty' : wrong;
}

/** What stands there, unless it is long. */
function shown(input: unknown): string {
  if (input === null) return 'nothing';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a mapping';
  const value = JSON.stringify(input);
  return value.length > 40 ? `${value.slice(0, 40)}…` : value;
}
