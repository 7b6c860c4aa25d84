import { printable } from '../ssh/errors.ts';

/** What stands in place of a secret. */
const HIDDEN = '***';
/** Characters. Shorter values would tear ordinary words apart, and protect nothing. */
const SHORTEST = 4;
/** Characters. A piece of a value at the edge of a text, where it was cut, counts from here on. */
const PIECE = 8;
/** Characters. Lines of a value that are shorter say nothing by themselves. */
const LINE = 8;

/**
 * Takes values out of texts, in every form in which a program may have written them: escaped, encoded, broken into lines,
 * cut at the edge of the text. Going over a text takes as long however many values there are.
 */
export class Redaction {
  readonly #values = new Set<string>();
  /** Forms by their first characters, and by their last ones. */
  readonly #heads = new Map<string, string[]>();
  readonly #tails = new Map<string, string[]>();
  #longest = 0;

  add(value: string): void {
    if (value.length < SHORTEST || this.#values.has(value)) return;
    this.#values.add(value);
    for (const form of formsOf(value)) {
      enter(this.#heads, form.slice(0, SHORTEST), form);
      enter(this.#tails, form.slice(-SHORTEST), form);
      this.#longest = Math.max(this.#longest, form.length);
    }
  }

  hide(text: string): string {
    if (this.#values.size === 0) return text;
    const start = this.#cutAtStart(text);
    let shown = start > 0 ? HIDDEN : '';
    let from = start;
    for (let at = start; at < text.length; ) {
      const length = this.#lengthAt(text, at);
      if (length === 0) at += 1;
      else {
        shown += text.slice(from, at) + HIDDEN;
        at += length;
        from = at;
      }
    }
    return shown + text.slice(from);
  }

  /** How many characters of a secret stand at a place: those of a whole one, or of its beginning where the text ends. */
  #lengthAt(text: string, at: number): number {
    const forms = this.#heads.get(text.slice(at, at + SHORTEST));
    if (!forms) return 0;
    const whole = forms.filter((form) => text.startsWith(form, at)).map((form) => form.length);
    if (whole.length > 0) return Math.max(...whole);
    const rest = text.length - at;
    return rest >= PIECE && rest < this.#longest && forms.some((form) => form.startsWith(text.slice(at))) ? rest : 0;
  }

  /** How many characters at the start are the end of a secret whose beginning was cut off. */
  #cutAtStart(text: string): number {
    for (let end = Math.min(text.length, this.#longest - 1); end >= PIECE; end -= 1) {
      const forms = this.#tails.get(text.slice(end - SHORTEST, end));
      if (forms?.some((form) => form.length > end && form.endsWith(text.slice(0, end)))) return end;
    }
    return 0;
  }
}

function enter(index: Map<string, string[]>, key: string, form: string): void {
  const forms = index.get(key);
  if (forms) forms.push(form);
  else index.set(key, [form]);
}

/** All the ways in which a value may stand in a text. */
function formsOf(value: string): ReadonlySet<string> {
  const lines = value.split(/\r?\n/).filter(isTelling);
  const pieces = value.includes('\n') ? lines : [value];
  const forms = [...pieces.flatMap(escaped), ...base64(value)];
  return new Set(forms.filter((form) => form.length >= SHORTEST));
}

/** Of a key only the frame is known to everybody. */
const isTelling = (line: string) => line.trim().length >= LINE && !/^-----.*-----$/.test(line.trim());

function escaped(value: string): readonly string[] {
  const json = JSON.stringify(value).slice(1, -1);
  const uri = encodeURIComponent(value.toWellFormed());
  const strict = uri.replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  const uris = [uri, strict, uri.replaceAll('%20', '+'), strict.replaceAll('%20', '+')];
  return [
    value,
    printable(value),
    json,
    json.replaceAll('/', String.raw`\/`),
    json.replaceAll(/[<>&]/g, unicode), // Go
    json.replaceAll(/[^\u0020-\u007e]/g, unicode), // Python, Ruby
    ...uris,
    ...uris.map((text) => text.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())),
    value.replaceAll("'", String.raw`'\''`), // what stands between the quotes: bash, POSIX
    value.replaceAll("'", `'"'"'`), // dash, Python
    value.replaceAll(/["\\$`]/g, String.raw`\$&`), // in double quotes
    value.replaceAll(/[^\w@%+=:,./\u0080-\uffff-]/g, String.raw`\$&`), // printf %q
    value.replaceAll(/[&<>"']/g, (sign) => HTML[sign] ?? sign),
  ];
}

const unicode = (sign: string) => String.raw`\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`;
const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Where programs that write base64 begin a new line: base64 itself, and PEM. */
const WRAPS = [76, 64];

/** Also where the value is a part of what was encoded, such as of `user:password`, and broken into lines. */
function base64(value: string): readonly string[] {
  const bytes = Buffer.from(value);
  const whole = bytes.toString('base64');
  const inside = [0, 1, 2].map((before) => {
    const all = Buffer.concat([Buffer.alloc(before), bytes]);
    // Only what these bytes alone decide.
    return all.toString('base64').slice(Math.ceil((before * 8) / 6), Math.floor((all.length * 8) / 6));
  });
  const broken = WRAPS.filter((width) => whole.length > width).flatMap(
    (width) => whole.match(new RegExp(`.{1,${width}}`, 'g')) ?? [],
  );
  const forms = [whole, ...inside, ...broken].filter((form) => form.length >= LINE);
  return [...forms, ...forms.map((form) => form.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, ''))];
}
