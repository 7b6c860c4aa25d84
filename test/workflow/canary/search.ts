import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gunzipSync } from 'node:zlib';

/** Looks for texts by their names, in every form in which they might have been written down. */
export class Search {
  readonly #forms: readonly (readonly [name: string, form: Buffer])[];

  /** `wanted`: name → text of letters and digits, so that no escaping changes it. */
  constructor(wanted: Readonly<Record<string, string>>) {
    this.#forms = Object.entries(wanted).flatMap(([name, text]) => formsOf(text).map((form) => [name, form] as const));
  }

  /** The names of those that stand in something, also packed. */
  in(haystack: Buffer | string): readonly string[] {
    const bytes = Buffer.from(haystack);
    const found = this.#forms.filter(([, form]) => bytes.includes(form)).map(([name]) => name);
    return [...new Set([...found, ...unpacked(bytes).flatMap((inner) => this.in(inner))])].toSorted();
  }

  /** `file: name` for each that stands in a file below a folder, less what `isLeftOut`. */
  inFolder(folder: string, isLeftOut: (file: string) => boolean = () => false): readonly string[] {
    return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
      const path = join(entry.parentPath, entry.name);
      const file = relative(folder, path);
      if (!entry.isFile() || isLeftOut(file)) return [];
      return [...this.in(file), ...this.in(readFileSync(path))].map((name) => `${file}: ${name}`);
    });
  }

  /** `table: name` for each that stands in a row. In the file itself long values are torn apart. */
  inDatabase(file: string): readonly string[] {
    const database = new DatabaseSync(file, { readOnly: true });
    try {
      const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
      const found = tables.flatMap(({ name: table }) =>
        database
          .prepare(`SELECT * FROM "${String(table)}"`)
          .all()
          .flatMap((row) => Object.values(row))
          .filter((value) => typeof value === 'string' || value instanceof Uint8Array)
          .flatMap((value) => this.in(Buffer.from(value)).map((name) => `${String(table)}: ${name}`)),
      );
      return [...new Set(found)].toSorted();
    } finally {
      database.close();
    }
  }
}

function formsOf(text: string): readonly Buffer[] {
  const bytes = Buffer.from(text);
  // What of its base64 does not depend on what stands around it, wherever it begins.
  const encoded = [0, 1, 2].map((before) => {
    const all = Buffer.concat([Buffer.alloc(before), bytes]);
    return all.toString('base64').slice(Math.ceil((before * 8) / 6), Math.floor((all.length * 8) / 6));
  });
  const wide = Buffer.from(text, 'utf16le');
  return [
    bytes,
    wide,
    Buffer.from(bytes.toString('hex')),
    ...encoded
      .flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')])
      .map((form) => Buffer.from(form)),
  ];
}

/** What is gzipped in base64 within something: copies of clusters travel so. And what is base64 as a whole, such as payloads in JSON. */
function unpacked(bytes: Buffer): readonly Buffer[] {
  const texts = bytes.toString('latin1').match(/H4sI[A-Za-z0-9+/]{16,}={0,2}/g) ?? [];
  return texts.flatMap((text) => {
    try {
      return [gunzipSync(Buffer.from(text, 'base64'))];
    } catch {
      return []; // it only looked like it
    }
  });
}
