import { createHash } from 'node:crypto';

/**
 * What a secret must survive when it stands inside something else: nothing, a JSON string, a URI component. Of a private key
 * `public` is the other half, which may be seen.
 */
export type Encoding = 'raw' | 'json' | 'uri' | 'public';

/** A place where a secret belongs. Its value is known to the performer alone. */
export interface Secret {
  readonly secret: string;
  readonly encoding: Encoding;
}

/** A keyed hash (HMAC) of a text that may hold secrets: safe to show, and equal only for equal texts of one cluster. */
export interface Digest {
  readonly digest: Text;
}

/** Known only when a command runs: the performer sets it as a shell variable, so that the text never holds it. */
export type Variable = Secret | Digest;

/** A text with places for variables, as one shell word or as the content of a file. */
export type Text = readonly (string | Variable)[];

/**
 * A command line for POSIX sh, run as root, with every value quoted and every secret left out.
 * `variables` maps the shell variables that `text` uses to what the performer must put into them.
 */
export interface Command {
  readonly text: string;
  readonly variables?: Readonly<Record<string, Variable>>;
}

/** A change. A bare command is a script that saves nothing. */
export interface Script extends Command {
  /** Files of which the before-image is kept, so that `undo: 'restore'` can put them back. */
  readonly saves?: readonly string[];
}

/** What a command answered. Streams are cut to a bound (64 KiB each) by whoever ran it. */
export interface Output {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Asked over HTTP by the worker, from outside the cluster. Answered as an {@link Output} whose stdout is the response's head. */
export interface Request {
  readonly get: string;
}

/**
 * Asked by logging in with a key of the cluster and becoming root, with no other credential as long as that will do. Answered
 * as an {@link Output}: exit code 0 with `asks` on stdout where sudo asks for a password, 1 where we are not let in.
 */
export interface Login {
  /** Name of the secret. */
  readonly login: string;
}

/**
 * Asked by connecting anew, with what lets us in already. The command says on the host which key (`SHA256:…`) is to be shown;
 * where it does not, its answer is this one. Answered as an {@link Output}: exit code 0 with that key on stdout where just this
 * one is shown, 1 where it is not, or nobody answers.
 */
export interface Shows {
  readonly shows: Command;
}

export type Question = Command | Request | Login | Shows;

type Part = string | number | readonly (string | number)[] | Variable | { readonly words: Text } | Command;

/** A secret by name, as a part of a command, a text or a digest. */
export function secret(name: string, encoding: Encoding = 'raw'): Secret {
  return { secret: name, encoding };
}

/** The keyed hash of a text, for labels that tell what a container was made from. */
export function digest(content: Text | string): Digest {
  return { digest: typeof content === 'string' ? [content] : content };
}

/** A shell command in which every interpolated value is quoted. Arrays become several words, commands are embedded as they are. */
export function sh(strings: TemplateStringsArray, ...parts: readonly Part[]): Command {
  const rendered = parts.map(render);
  return merge(
    String.raw({ raw: strings.raw }, ...rendered.map((part) => part.text)),
    rendered.map((part) => part.variables),
  );
}

/** A text with secrets in it, to stand as one word in a command: sh`printf %s ${words(text`{"password":${secret('x', 'json')}}`)}`. */
export function words(content: Text | string): { readonly words: Text } {
  return { words: typeof content === 'string' ? [content] : content };
}

/** A text in which secrets keep their places. Numbers and strings are taken as they are. */
export function text(strings: TemplateStringsArray, ...parts: readonly (string | number | Variable | Text)[]): Text {
  return strings.flatMap((literal, n) => {
    const part = parts[n];
    if (part === undefined) return [literal];
    return [
      literal,
      ...(Array.isArray(part)
        ? (part as Text)
        : [typeof part === 'number' ? String(part) : (part as string | Variable)]),
    ];
  });
}

/** Several commands, one after another; the first that fails ends the script. */
export function script(...commands: readonly (Command | string)[]): Script {
  const all = commands.map((command) => (typeof command === 'string' ? { text: command } : command));
  const saves = all.flatMap((command) => (command as Script).saves ?? []);
  const merged = merge(
    ['set -eu', ...all.map((command) => command.text)].join('\n'),
    all.map((command) => command.variables),
  );
  return saves.length > 0 ? { ...merged, saves } : merged;
}

/** How a written file is to look. */
export interface FileOptions {
  /** As for chmod, such as `0600`. Default `0644`. */
  readonly mode?: string;
  /** As for chown, such as `999:999`. Default: root. */
  readonly owner?: string;
}

/** Writes a file whole, by rename, keeping a before-image of what stood there. Makes its folder. */
export function writing(path: string, content: Text | string, { mode = '0644', owner }: FileOptions = {}): Script {
  const next = `${path}.farweave-new`;
  const folder = path.slice(0, path.lastIndexOf('/')) || '/';
  const write = [
    sh`mkdir -p ${folder}`,
    // The umask first: the content must not be readable for the moment between its writing and the chmod.
    sh`( umask 077; printf %s ${words(content)} > ${next} )`,
    ...(owner === undefined ? [] : [sh`chown ${owner} ${next}`]),
    sh`chmod ${mode} ${next}`,
    sh`mv -f ${next} ${path}`,
  ];
  return {
    ...merge(
      write.map((command) => command.text).join('\n'),
      write.map((command) => command.variables),
    ),
    saves: [path],
  };
}

/** Exit code 0 where a file holds exactly this. For probes: what is wanted goes to the host, nothing of what is there comes back. */
export function holds(path: string, content: Text | string): Command {
  return sh`printf %s ${words(content)} | cmp -s - ${path}`;
}

const SAFE = /^[\w@%+=:,./-]+$/;

/** One shell word. */
export function quote(word: string | number): string {
  const value = String(word);
  return SAFE.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

function render(part: Part): Command {
  if (typeof part !== 'object') return { text: quote(part) };
  if (Array.isArray(part)) return { text: part.map(quote).join(' ') };
  if ('words' in part) return join(part.words);
  if ('text' in part) return part;
  return join([part as Variable]);
}

/** Literals and variables side by side make one word: `'a'"$b"'c'`. */
function join(content: Text): Command {
  const variables: Record<string, Variable> = {};
  const pieces = joined(content).map((piece) => {
    if (typeof piece === 'string') return `'${piece.replaceAll("'", `'\\''`)}'`;
    const name = nameOf(piece);
    variables[name] = piece;
    return `"$${name}"`;
  });
  return { text: pieces.join('') || "''", variables };
}

/** Neighbouring literals as one, so that a command is quoted no more than it must be. */
function joined(content: Text): Text {
  const pieces: (string | Variable)[] = [];
  for (const piece of content) {
    const last = pieces.at(-1);
    if (typeof piece === 'string' && typeof last === 'string') pieces[pieces.length - 1] = last + piece;
    else if (piece !== '') pieces.push(piece);
  }
  return pieces;
}

/** Named by what they hold, so that commands can be joined without renaming. */
function nameOf(variable: Variable): string {
  if ('digest' in variable) return `fw_digest_${hash(JSON.stringify(variable.digest))}`;
  const { secret, encoding } = variable;
  // Names that differ in nothing but what cannot stand in a variable's name must not become one variable.
  const told = /^[A-Za-z0-9.]+$/.test(secret) ? secret : `${secret}_${hash(secret)}`;
  return `fw_${told.replaceAll(/\W/g, '_')}_${encoding}`;
}

const hash = (content: string) => createHash('sha256').update(content).digest('hex').slice(0, 12);

function merge(merged: string, variables: readonly (Command['variables'] | undefined)[]): Command {
  const all = Object.assign({}, ...variables) as Record<string, Variable>;
  return Object.keys(all).length > 0 ? { text: merged, variables: all } : { text: merged };
}
