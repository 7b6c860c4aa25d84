import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from './command.ts';
import type { ImageSource } from './debian.ts';

/** Where this machine gets Debian's packages from, for hosts that have no other way to them. */
export interface AptMirrors {
  archive: string;
  security?: string;
}

/**
 * Finds Debian's mirrors in the text of apt's source files (both formats).
 * `codename` is the release of the machine they were read from; undefined when no source is for it.
 */
export function parseMirrors(files: readonly string[], codename: string): AptMirrors | undefined {
  const all = files.flatMap((text) => [...oneLineEntries(text), ...stanzaEntries(text)]);
  // Others, such as `mirror+file:` of cloud images, lead to files of the machine itself.
  const entries = all.filter(({ uri }) => /^https?:/.test(uri));
  const archive = entries.find((entry) => entry.suites.includes(codename) && entry.components.includes('main'));
  const security = entries.find((entry) => entry.suites.includes(`${codename}-security`));
  return archive && { archive: archive.uri, ...(security && { security: security.uri }) };
}

/** The text of a deb822 source file that gives `release` by way of these mirrors. */
export function renderSources(mirrors: AptMirrors, release: string): string {
  const stanza = (uri: string, suites: string) =>
    `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\n` +
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n';
  const security = mirrors.security ? `\n${stanza(mirrors.security, `${release}-security`)}` : '';
  return stanza(mirrors.archive, release) + security;
}

/** Debian's mirrors as this machine uses them; undefined when it is no Debian. */
export function machineMirrors(): AptMirrors | undefined {
  const os = readText('/etc/os-release');
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(os)?.[1];
  if (!/^ID=debian$/m.test(os) || !codename) return undefined;
  const folder = '/etc/apt/sources.list.d';
  const files = list(folder).filter((name) => /\.(list|sources)$/.test(name));
  return parseMirrors(
    [readText('/etc/apt/sources.list'), ...files.map((name) => readText(join(folder, name)))],
    codename,
  );
}

/**
 * Writes what an image needs for apt to work as on this machine: `apt/` (mirrors, proxies) and `certificates/`
 * (certificate authorities that an administrator added). Returns the files' texts, which belong to a recipe's inputs.
 */
export async function aptContext(release: string, source: ImageSource): Promise<Record<string, string>> {
  const found = machineMirrors();
  // A published base has no certificates yet, and sources of its own.
  const mirrors = source === 'published' && found?.archive.startsWith('https:') ? undefined : found;
  const dump = await attempt(['apt-config', 'dump', '--format=%F "%v";%n']);
  const proxies = dump.stdout
    .split('\n')
    .filter((line) => /^Acquire::(http|https)::Proxy(::\S+)? "[^"]+";$/i.test(line));
  const authorities = '/usr/local/share/ca-certificates';
  return {
    'apt/apt.conf.d/90lab': proxies.map((line) => `${line}\n`).join(''),
    ...(mirrors && { 'apt/sources.list.d/debian.sources': renderSources(mirrors, release) }),
    'certificates/README': 'Certificate authorities of the machine that built this image.\n',
    ...Object.fromEntries(
      list(authorities)
        .filter((name) => name.endsWith('.crt'))
        .map((name) => [`certificates/${name}`, readText(join(authorities, name))]),
    ),
  };
}

/** Writes texts by their relative paths below `folder`; scripts are made executable. */
export function writeFiles(folder: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text, { mode: path.endsWith('.sh') ? 0o755 : 0o644 });
  }
}

interface Entry {
  uri: string;
  suites: string[];
  components: string[];
}

function oneLineEntries(text: string): Entry[] {
  return text.split('\n').flatMap((line) => {
    const match = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line.trim());
    return match ? [{ uri: match[1] ?? '', suites: [match[2] ?? ''], components: words(match[3]) }] : [];
  });
}

function stanzaEntries(text: string): Entry[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name: string) => new RegExp(`^${name}:\\s*(.+)$`, 'im').exec(stanza)?.[1];
    if (!words(field('Types')).includes('deb') || field('Enabled') === 'no') return [];
    const [uri = ''] = words(field('URIs'));
    return [{ uri, suites: words(field('Suites')), components: words(field('Components')) }];
  });
}

function words(text = ''): string[] {
  return text.split(/\s+/).filter(Boolean);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
