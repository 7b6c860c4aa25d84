import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Command, type Output, sh } from './command.ts';
import * as marker from './marker.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'marker-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const ada = { id: 'a1', cluster: 'forum', by: 'ada@laptop', since: '2026-11-02T09:00:00.000Z', rollout: 'run-1' };
const bob = { ...ada, id: 'b2', by: 'bob@desk', rollout: 'run-2' };

const at = (path: string) => join(root, path);
const lib = (path: string) => at(`lib/${path}`);
const moved = ({ text }: Command) => text.replaceAll('/var/lib/farweave', at('lib'));

/** Runs it in a real shell, with the marker below the test's own folder. */
function run(command: Command): Output {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', moved(command)], { encoding: 'utf8' });
  return { exitCode: status ?? -1, stdout, stderr };
}

const change = sh`echo changed >> ${'/var/lib/farweave/log'}`;
const changes = () => (existsSync(lib('log')) ? readFileSync(lib('log'), 'utf8').split('\n').length - 1 : 0);
const owner = () => marker.parse(run(marker.asking()));

describe('a marker', () => {
  test('is nobody’s until a change claims the host, and then tells whose it is', () => {
    expect(owner()).toBeUndefined();
    expect(run(marker.claiming(ada, change)).exitCode).toBe(0);
    expect(owner()).toEqual(ada);
    expect(changes()).toBe(1);
    expect(readdirSync(at('lib')).toSorted()).toEqual(['log', 'origins', 'owner']);
    expect(statSync(lib('owner')).mode & 0o077).toBe(0);
  });

  test('lets its owner pass, in later rollouts too, and goes on telling of the first', () => {
    run(marker.claiming(ada, change));
    const later = { ...ada, rollout: 'run-9', since: '2027-01-01T00:00:00.000Z', by: 'eve@attic' };
    expect(run(marker.claiming(later, change)).exitCode).toBe(0);
    expect(owner()).toEqual(ada);
    expect(changes()).toBe(2);
  });

  test('keeps anybody else from changing anything, and says whose the host is', () => {
    run(marker.claiming(ada, change));
    const { exitCode, stdout } = run(marker.claiming(bob, change));
    expect(exitCode).toBe(marker.OWNED);
    expect(marker.read(stdout.trimEnd().split('\n').at(-1)!)).toEqual(ada);
    expect(changes()).toBe(1);
    expect(owner()).toEqual(ada);
  });

  test('passes on how the change ended', () => {
    expect(run(marker.claiming(ada, sh`exit 3`)).exitCode).toBe(3);
  });

  test('goes to one of many that come at the same moment', async () => {
    const racers = Array.from({ length: 12 }, (_, n) => ({ ...ada, id: `racer-${n}` }));
    const codes = await Promise.all(
      racers.map(async (racer) => {
        const shell = spawn('/bin/sh', ['-c', moved(marker.claiming(racer, change))], { stdio: 'ignore' });
        const [code] = (await once(shell, 'close')) as [number];
        return { id: racer.id, code };
      }),
    );
    expect(codes.filter(({ code }) => code === 0).map(({ id }) => id)).toEqual([owner()?.id]);
    expect(codes.filter(({ code }) => code === marker.OWNED)).toHaveLength(11);
    expect(changes()).toBe(1);
    expect(readdirSync(at('lib')).toSorted()).toEqual(['log', 'origins', 'owner']);
  });

  test('that cannot be made keeps the change from being made', () => {
    writeFileSync(at('lib'), 'a file where the folder should be');
    expect(run(marker.claiming(ada, sh`touch ${at('changed')}`)).exitCode).toBe(73);
    expect(existsSync(at('changed'))).toBe(false);
  });

  test.each(['', 'gibberish', '{"id":"a1"}', '[]'])('that reads %j is somebody’s, so nobody passes', (text) => {
    mkdirSync(at('lib'));
    writeFileSync(lib('owner'), text);
    expect(run(marker.claiming(bob, change)).exitCode).toBe(marker.OWNED);
    expect(owner()?.id).toBe('unreadable');
    expect(changes()).toBe(0);
  });

  test.each([
    { by: '","id":"b2","x":"' },
    { by: "o'hara@host `id` $HOME" },
    { cluster: '{"id":"b2",' },
    { by: 'new\nline' },
    { by: 'ünï@*' },
  ])('is not taken in by %j', (odd) => {
    const odder = { ...ada, ...odd };
    expect(run(marker.claiming(odder, change)).exitCode).toBe(0);
    expect(owner()).toEqual(odder);
    expect(run(marker.claiming(bob, change)).exitCode).toBe(marker.OWNED);
    expect(run(marker.claiming(odder, change)).exitCode).toBe(0);
  });

  test('tells whose the host is in a sentence, in characters that are safe to print', () => {
    expect(marker.belongs(ada)).toBe('belongs to cluster forum of ada@laptop since 2026-11-02 (id a1)');
    expect(marker.belongs({ ...ada, by: '\u001b[2J' })).toContain('of \\x1b[2J since');
  });
});

describe('a host that is given back', () => {
  test('is nobody’s again, with no copy left', () => {
    run(marker.claiming(ada, change));
    run(marker.keep(ada, { revision: 1, text: '{"revision":1,"x":0}' }));
    expect(run(marker.release(ada)).exitCode).toBe(0);
    expect(owner()).toBeUndefined();
    expect(readdirSync(at('lib'))).toEqual(['log']);
  });

  test.each([
    { what: 'an earlier rollout of its owner', who: { ...ada, rollout: 'run-9' } },
    { what: 'one whose run id it begins with', who: { ...ada, rollout: 'un-1' } },
    { what: 'somebody else', who: { ...bob, rollout: 'run-1' } },
  ])('stays claimed by $what', ({ who }) => {
    run(marker.claiming(ada, change));
    expect(run(marker.release(who)).exitCode).toBe(0);
    expect(owner()).toEqual(ada);
  });

  test('may be given back twice, or without ever having been claimed', () => {
    expect([run(marker.release(ada)), run(marker.release(ada))].map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  });
});

describe('a copy of the cluster', () => {
  const copy = (revision: number, more = 'x') => ({ revision, text: `{"revision":${revision},"more":"${more}"}` });
  const read = () => {
    const packed = marker.askingCopy().map((question) => run(question).stdout);
    return gunzipSync(Buffer.from(packed.join(''), 'base64')).toString();
  };

  test('lies on a host of its owner only, for root', () => {
    run(marker.keep(ada, copy(1)));
    run(marker.claiming(ada, change));
    run(marker.keep(bob, copy(1)));
    expect(run(marker.askingRevision()).stdout).toBe('');
    run(marker.keep(ada, copy(1)));
    expect(run(marker.askingRevision()).stdout).toBe('1');
    expect(statSync(lib('cluster.json')).mode & 0o077).toBe(0);
  });

  test('is replaced by a newer one, and not by a late, older one', () => {
    run(marker.claiming(ada, change));
    for (const revision of [9, 10, 8]) expect(run(marker.keep(ada, copy(revision))).exitCode).toBe(0);
    expect(read()).toBe(copy(10).text);
  });

  test.each([0, 1, 60_000, 300_000])('is read back whole with %i random characters in it', (length) => {
    const noise = Array.from({ length }, (_, n) => ((n * 7_919) ** 2 % 36).toString(36)).join('');
    const long = copy(1, `${noise}’'$HOME\\n`);
    run(marker.claiming(ada, change));
    // As a file: an argument of a program is bounded, and the real way has none.
    const script = at('script');
    writeFileSync(script, moved(marker.keep(ada, long)));
    expect(spawnSync('/bin/sh', [script]).status).toBe(0);
    expect(read()).toBe(long.text);
  });
});
