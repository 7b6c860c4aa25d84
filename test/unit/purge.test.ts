import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { installing, purgingAdded } from '../../src/roles/system/packages.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'purge-'));
  mkdirSync(join(root, 'state/packages'), { recursive: true });
  mkdirSync(join(root, 'run'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A package manager: `needs` names who needs whom, `there` what is installed. Gives what it was told to purge, and what was said. */
function purge(
  there: readonly string[],
  needs: Readonly<Record<string, readonly string[]>> = {},
  accounts: Readonly<Record<string, string>> = {},
) {
  const goneWith = (name: string): readonly string[] => [
    name,
    ...Object.entries(needs).flatMap(([who, whom]) => (whom.includes(name) ? goneWith(who) : [])),
  ];
  const simulated = there.map((name) => `${name}) echo 'Purg ${goneWith(name).join('\\nPurg ')}' ;;`);
  const fakes = {
    'apt-get': `#!/bin/bash
if [ "$1" = -s ]; then shift 4; for name in "$@"; do case $name in ${simulated.map((one) => one.replace("echo '", "printf '").replace("' ;;", "\\n' ;;")).join(' ')} esac; done
else echo "$@" | sed 's/.* purge//' >> ${root}/purged; fi`,
    'dpkg-query': `#!/bin/bash
case $2 in -f*) shift 2 ;; *) ! grep -qw -- "$2" ${root}/purged; exit ;; esac; for name in "$@"; do case ' ${there.join(' ')} ' in *" $name "*) echo "installed $name" ;; esac; done`,
    dpkg: '#!/bin/sh',
    perl: '#!/bin/sh\nexit 1',
    userdel: `#!/bin/sh\necho "$@" >> ${root}/accounts`,
  };
  for (const [name, text] of Object.entries(fakes)) writeFileSync(join(root, name), text, { mode: 0o755 });
  const text = purgingAdded('k', accounts)
    .text.replaceAll('/var/lib/farweave', join(root, 'state'))
    .replaceAll('/run/farweave', join(root, 'run/farweave'));
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', text], {
    encoding: 'utf8',
    env: { PATH: `${root}:${process.env.PATH}` },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const purged = existsSync(join(root, 'purged')) ? readFileSync(join(root, 'purged'), 'utf8').trim().split(' ') : [];
  const deleted = existsSync(join(root, 'accounts')) ? readFileSync(join(root, 'accounts'), 'utf8').trim() : '';
  return { purged, said: stdout, deleted };
}

const list = (names: readonly string[], file = 'k') =>
  writeFileSync(join(root, 'state/packages', file), names.map((name) => `${name}\n`).join(''));
const listed = (file: string) =>
  existsSync(join(root, 'state/packages', file)) ? readFileSync(join(root, 'state/packages', file), 'utf8') : undefined;

describe('what a step has added', () => {
  test('goes whole where nothing else needs it', () => {
    list(['jq', 'libjq'], 'k.all');
    expect(purge(['jq', 'libjq', 'vim'], { jq: ['libjq'] }).purged).toEqual(['jq', 'libjq']);
    expect(listed('k.all')).toBeUndefined();
  });

  test('goes but for what an earlier rollout had added, which stays known for later', () => {
    list(['curl']);
    list(['curl', 'jq'], 'k.all');
    expect(purge(['curl', 'jq']).purged).toEqual(['jq']);
    expect(listed('k.all')).toBe('curl\n');
  });

  test('stays where something else has come to need it; the rest goes', () => {
    list(['engine', 'lib', 'tool'], 'k.all');
    const { purged, said } = purge(['engine', 'lib', 'tool', 'theirs'], { theirs: ['engine'], engine: ['lib'] });
    expect(purged).toEqual(['tool']);
    expect(said).toContain('left: engine, which theirs needs\nleft: lib, which theirs needs\n');
  });

  test('is not looked for where somebody has purged it by hand', () => {
    list(['jq', 'tree'], 'k.all');
    expect(purge(['tree']).purged).toEqual(['tree']);
    list(['jq'], 'k.all');
    rmSync(join(root, 'purged'));
    expect(purge(['vim']).purged).toEqual([]);
  });

  test('is what was put back where somebody had purged it by hand', () => {
    list(['curl', 'jq']);
    list(['curl', 'jq', 'jq 2'], 'k.all');
    expect(purge(['curl', 'jq']).purged).toEqual(['jq']);
    expect(listed('k.all')).toBe('curl\njq\n');
  });

  test.each([
    ['with the package that has made it', ['names', 'names 2'], {}, 'names'],
    ['not where its package stays', ['names'], { theirs: ['names'] }, ''],
    ['not where its package was there before', ['other'], {}, ''],
  ])('takes an account along %s', (_, added, needs, deleted) => {
    list(added, 'k.all');
    expect(purge(['names', 'other', 'theirs'], needs, { names: 'names' }).deleted).toBe(deleted);
  });

  test('is nothing where no step has ever added anything', () => {
    expect(purge(['vim'])).toEqual({ purged: [], said: '', deleted: '' });
  });
});

test('a package that is noted already, and not there any more, is noted once more', () => {
  list(['curl', 'tree', 'tree 2']);
  const { text } = installing('k', ['tree', 'jq']);
  // As far as the notes: what is simulated says what is new.
  const upTo = text.slice(0, text.indexOf('apt install --no-install-recommends $packages'));
  const noting = upTo.replace(
    /^plan=.*$/m,
    "plan=$(printf 'Inst tree (1.0)\\nInst curl [1.0] (2.0)\\nInst jq (1.6)\\n')",
  );
  const script = noting.replaceAll('/var/lib/farweave', join(root, 'state'));
  expect(spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  expect(listed('k')).toBe('curl\njq\ntree\ntree 2\ntree 3\n');
  expect(listed('k.all')).toBe(listed('k'));
});
