import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const BIN = join(import.meta.dirname, '../../bin/farweave');

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'farweave-bin-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A folder with the launcher, and programs that only say what they are. */
function install(folder: string, { compiled = false, dependencies = true } = {}): string {
  const home = join(root, folder);
  const main = join(home, compiled ? 'dist/client/main.js' : 'src/client/main.ts');
  mkdirSync(dirname(main), { recursive: true });
  writeFileSync(main, '');
  if (dependencies) mkdirSync(join(home, compiled ? '../commander' : 'node_modules/commander'), { recursive: true });
  cpSync(BIN, join(home, 'bin/farweave'));
  return home;
}

/** A `node` that knows its version and else prints what it was called with. */
function node(folder: string, version: number): string {
  const path = join(root, folder);
  mkdirSync(path, { recursive: true });
  const file = join(path, 'node');
  writeFileSync(
    file,
    `#!/bin/sh\nif [ "$1" = -e ]; then [ ${version} -ge 24 ]; exit; fi\necho "node${version} $*" as "$FARWEAVE_SELF"\n`,
  );
  chmodSync(file, 0o755);
  return path;
}

function call(file: string, path: readonly string[], cwd = root) {
  const { status, stdout, stderr } = spawnSync(file, ['plan', 'two words'], {
    cwd,
    encoding: 'utf8',
    env: { PATH: [...path, '/usr/bin', '/bin'].join(':') },
  });
  return { status, out: stdout.trim(), err: stderr.trim() };
}

describe('bin/farweave', () => {
  it('runs the sources of a checkout with a Node that is new enough', () => {
    const home = install('checkout');
    expect(call(join(home, 'bin/farweave'), [node('new', 24)])).toEqual({
      status: 0,
      out: `node24 ${home}/src/client/main.ts plan two words as checkout/bin/farweave`,
      err: '',
    });
  });

  it('takes the pinned Node where the one on PATH is too old', () => {
    const home = install('checkout');
    node('checkout/node_modules/node/bin', 24);
    expect(call(join(home, 'bin/farweave'), [node('old', 20)]).out).toMatch(/^node24 /);
  });

  it('runs the compiled files of the package, also through a link of npm', () => {
    const home = install('app/node_modules/farweave', { compiled: true });
    const bin = join(root, 'app/node_modules/.bin');
    mkdirSync(bin);
    symlinkSync('../farweave/bin/farweave', join(bin, 'farweave'));
    expect(readlinkSync(join(bin, 'farweave'))).toBe('../farweave/bin/farweave');
    node('app/node_modules/node/bin', 26);
    expect(call(join(bin, 'farweave'), [node('old', 20)], '/').out).toContain(
      `node26 ${home}/dist/client/main.js plan`,
    );
  });

  it('is called by its name where it is on PATH', () => {
    const home = install('checkout');
    expect(call('farweave', [join(home, 'bin'), node('new', 24)]).out).toMatch(/ as farweave$/);
  });

  it.each([
    {
      what: 'dependencies in a checkout',
      make: true,
      version: 24,
      dependencies: false,
      says: /Run: make -C .*node_modules\/\.ready/,
    },
    { what: 'Node in a checkout', make: true, version: 20, dependencies: true, says: /Run: make -C / },
    {
      what: 'dependencies of the package',
      make: false,
      version: 24,
      dependencies: false,
      says: /Run: npm install farweave/,
    },
    { what: 'Node for the package', make: false, version: 20, dependencies: true, says: /Node 24 or newer is needed/ },
  ])('says what to run where it lacks the $what', ({ make, version, dependencies, says }) => {
    const home = install('checkout', { dependencies });
    if (make) writeFileSync(join(home, 'Makefile'), '');
    const { status, err } = call(join(home, 'bin/farweave'), [node('some', version)]);
    expect(err).toMatch(says);
    expect(status).toBe(3);
  });

  it('is a script for any POSIX shell', () => {
    expect(() => execFileSync('sh', ['-n', BIN])).not.toThrow();
  });
});
