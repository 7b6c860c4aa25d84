import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { find, leave } from '../../test/receipts.ts';
import { type Command, type Output, script, sh, writing } from './command.ts';
import * as marker from './marker.ts';
import * as origins from './origins.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'origins-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const ada = { id: 'a1', cluster: 'forum', by: 'ada@laptop', since: '2026-11-02T09:00:00.000Z', rollout: 'run-1' };
const at = (path: string) => join(root, path);
const state = (path = '') => at(`lib/${path}`);
const read = (path: string) => (existsSync(at(path)) ? readFileSync(at(path), 'utf8') : undefined);
const write = (path: string, content: string) => writeFileSync(at(path), content);

/** Runs it in a real shell, with the host's folders below the test's own. */
function run(command: Command): Output {
  const text = command.text
    .replaceAll('/var/lib/farweave', at('lib'))
    .replaceAll('/etc/farweave', at('etc'))
    .replaceAll('/run/farweave', at('run'));
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', text], { encoding: 'utf8' });
  return { exitCode: status ?? -1, stdout, stderr };
}

const OPERATION = 'docker.configure';
const configured = (rollout: string, change: Command, undo = 'u', args: unknown = {}) =>
  run(
    marker.claiming(
      { ...ada, rollout },
      leave(`${rollout}/03-${OPERATION}`, change, { args: JSON.stringify(args), undo }),
    ),
  ).exitCode;
const layers = (operation = OPERATION) => origins.parse(run(origins.asking({ only: operation })));
const withdraw = (following: readonly Command[] = []) => run(origins.withdrawing(OPERATION, layers(), following));
const isAdded = () => run(origins.askingOne(OPERATION)).stdout.trim() === 'added';

describe('an origin', () => {
  test('is the receipt of the first rollout, whatever later ones have done', () => {
    write('conf', 'before');
    for (const [n, content] of ['first', 'second', 'third'].entries()) {
      expect(configured(`run-${n}`, writing(at('conf'), content))).toBe(0);
      expect(run(origins.keep(`run-${n}`)).exitCode).toBe(0);
    }
    expect(layers()).toEqual([{ operation: OPERATION, number: '000001', args: '{}' }]);
    expect(readdirSync(state('receipts'))).toEqual([]);
    expect(isAdded()).toBe(true);
    expect(withdraw().exitCode).toBe(0);
    expect(read('conf')).toBe('before');
    expect(isAdded()).toBe(false);
    expect(readdirSync(state('origins'))).toEqual([]);
  });

  test('takes along what only a later rollout changed, each file as it was found', () => {
    write('old', 'old before');
    configured('run-1', writing(at('old'), '1'));
    run(origins.keep('run-1'));
    write('late', 'late before');
    configured('run-2', script(writing(at('old'), '2'), writing(at('late'), '2'), writing(at('new/one'), '2')));
    run(origins.keep('run-2'));
    expect(layers().map(({ number }) => number)).toEqual(['000002', '000001']);
    withdraw();
    expect([read('old'), read('late'), read('new/one'), existsSync(at('new'))]).toEqual([
      'old before',
      'late before',
      undefined,
      false,
    ]);
  });

  test('keeps the arguments of each use that is undone in a way of its own, the newest first', () => {
    for (const [rollout, image] of Object.entries({ 'run-1': 'nodebb:3', 'run-2': 'nodebb:4', 'run-3': 'nodebb:3' })) {
      configured(rollout, sh`:`, `undo of ${image}`, { image });
      run(origins.keep(rollout));
    }
    expect(layers().map(({ args }) => JSON.parse(args) as unknown)).toEqual([
      { image: 'nodebb:4' },
      { image: 'nodebb:3' },
    ]);
  });

  test('holds arguments of any length', () => {
    const names = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`vm${n}`, `192.0.2.${n}`]));
    configured('run-1', sh`:`, 'u', names);
    run(origins.keep('run-1'));
    expect(run(origins.asking({ only: OPERATION })).stdout.length).toBeLessThan(64 * 1024);
    expect(JSON.parse(layers()[0]!.args)).toEqual(names);
  });

  test('is not made of what cannot be taken back', () => {
    run(marker.claiming(ada, leave('run-1/01-mongodb.initiate', sh`:`)));
    run(origins.keep('run-1'));
    expect(readdirSync(state('origins'))).toEqual([]);
    expect(run(find('run-1/01-mongodb.initiate')).exitCode).toBe(1);
  });

  test('is not recorded on a host that was rolled out before origins were: nobody knows what it was like', () => {
    mkdirSync(state());
    write('lib/owner', JSON.stringify(ada));
    write('conf', 'of an older release');
    expect(configured('run-1', writing(at('conf'), 'new'))).toBe(0);
    expect(run(origins.keep('run-1')).exitCode).toBe(0);
    expect(existsSync(state('origins'))).toBe(false);
    expect(existsSync(state('receipts/run-1'))).toBe(false);
  });

  test('leaves what a rollout has not come to, and may be made in two goes', () => {
    configured('run-1', writing(at('a'), '1'));
    mkdirSync(state('receipts/run-1/04-docker.network.new'), { recursive: true });
    run(origins.keep('run-1'));
    expect(run(origins.keep('run-1')).exitCode).toBe(0);
    expect(readdirSync(state('origins'))).toEqual([OPERATION]);
  });

  test('is made of what nobody came to settle, but not of what the rollout at work does', () => {
    configured('run-1', writing(at('a'), '1'));
    configured('run-2', writing(at('b'), '2'));
    expect(run(origins.askingOthers([], 'run-2')).stdout).toBe('added\n');
    expect(run(origins.keepStale('run-2')).exitCode).toBe(0);
    expect(readdirSync(state('receipts'))).toEqual(['run-2']);
    expect(run(origins.askingOthers([OPERATION], 'run-2')).stdout).toBe('');
    expect(run(origins.askingOthers(['docker.install'], 'run-2')).stdout).toBe('added\n');
    expect(origins.parse(run(origins.asking({ but: ['docker.install'] })))).toHaveLength(1);
    expect(origins.parse(run(origins.asking({ but: [OPERATION] })))).toEqual([]);
  });
});

describe('a withdrawal', () => {
  test('does what follows once the files are back, each even if the one before has ended early', () => {
    write('conf', 'before');
    configured('run-1', writing(at('conf'), 'after'));
    run(origins.keep('run-1'));
    const seen = (n: number) => sh`cat ${at('conf')} > ${at(`seen${n}`)}; exit 0`;
    expect(withdraw([seen(1), seen(2)]).exitCode).toBe(0);
    expect([read('seen1'), read('seen2')]).toEqual(['before', 'before']);
    expect(isAdded()).toBe(false);
  });

  test('that fails keeps the origin, and can be tried again', () => {
    configured('run-1', writing(at('conf'), 'after'));
    run(origins.keep('run-1'));
    expect(withdraw([sh`exit 75`]).exitCode).toBe(75);
    expect(isAdded()).toBe(true);
    expect(withdraw([sh`:`]).exitCode).toBe(0);
    expect([read('conf'), isAdded()]).toEqual([undefined, false]);
  });

  test('claims no host that is nobody’s by now, and touches none of somebody else', () => {
    expect(run(marker.holding(ada, sh`touch ${at('changed')}`)).exitCode).toBe(0);
    run(marker.claiming({ ...ada, id: 'b2' }, sh`:`));
    expect(run(marker.holding(ada, sh`touch ${at('changed')}`)).exitCode).toBe(marker.OWNED);
    expect(existsSync(at('changed'))).toBe(false);
  });
});

describe('a host that is given up', () => {
  beforeEach(() => {
    run(
      marker.claiming(
        ada,
        sh`mkdir -p ${'/var/lib/farweave/jobs/k'} ${'/etc/farweave/x'} ${'/run/farweave/jobs'} ${'/run/farweave-dns'}`,
      ),
    );
    write('lib/jobs/k/lock', '');
  });

  test('has nothing of ours any more, and can be given up twice', () => {
    expect(run(marker.released()).exitCode).toBe(1);
    for (let n = 0; n < 2; n++) expect(run(marker.giveUp(ada))).toMatchObject({ exitCode: 0, stdout: '' });
    expect(readdirSync(root)).toEqual([]);
    expect(run(marker.released()).exitCode).toBe(0);
  });

  test('keeps backups, and says so, unless its data is to go', () => {
    mkdirSync(state('backups'));
    write('lib/backups/1.archive', 'x');
    expect(run(marker.giveUp(ada)).stdout).toMatch(/^left: backups in \S+\/backups\n$/);
    expect(readdirSync(state())).toEqual(['backups']);
    expect(run(marker.released()).exitCode).toBe(0);
    run(marker.giveUp(ada, { data: true }));
    expect(readdirSync(root)).toEqual([]);
  });

  test('stays where something was not taken back', () => {
    mkdirSync(state('origins/docker.install/000001'), { recursive: true });
    expect(run(marker.giveUp(ada))).toMatchObject({ exitCode: 1, stdout: 'not taken back: docker.install \n' });
    expect(existsSync(state('owner'))).toBe(true);
  });

  test('of somebody else is left alone', () => {
    const { exitCode, stdout } = run(marker.giveUp({ id: 'b2' }));
    expect(exitCode).toBe(marker.OWNED);
    expect(marker.read(stdout)).toEqual(ada);
    expect(readdirSync(state()).toSorted()).toEqual(['jobs', 'origins', 'owner']);
  });

  test('that was rolled out before origins were recorded keeps its files, and says so', () => {
    rmSync(state('origins'), { recursive: true });
    expect(run(marker.giveUp(ada)).stdout).toContain('left: it was rolled out before origins were recorded');
    expect(readdirSync(root)).toEqual(['etc']);
  });
});
