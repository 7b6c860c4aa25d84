import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { accompany } from '../../src/client/accompany.ts';
import { control, wish } from '../../src/client/control.ts';
import { type Farweave, status } from '../../src/client/index.ts';
import type { Io } from '../../src/client/io.ts';
import { progressQuery, rolloutId } from '../../src/workflows/contract.ts';
import { begin, type Here, withCommandLine } from './command-line.ts';
import { client, connected, until } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
let cwd: string;
beforeEach(() => {
  machines = new Machines();
  cwd = mkdtempSync(join(tmpdir(), 'farweave-control-'));
});
afterEach(() => {
  machines.remove();
  rmSync(cwd, { recursive: true });
});

/** A cluster file for the hosts of `hostsOf`. */
const withCluster = (name: string, act: (here: Here) => Promise<void>) =>
  withCommandLine(machines, { cwd, file: fileOf(name) }, act);

const fileOf = (name: string) => `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: ${name} }
sites: { site1: {}, site2: {} }
access: { user: vagrant, password: { env: FARWEAVE_PASSWORD } }
hosts:
${hostsOf(2, 2)
  .map(({ name: host, site, address }) => `  - { name: ${host}, site: ${site}, address: ${address} }`)
  .join('\n')}
roles: { docker: {} }
`;

const progressOf = (name: string) => client.workflow.getHandle(rolloutId(name, 1)).query(progressQuery);
const isOver = (farweave: Farweave, name: string) => async () => (await status(farweave, name))?.rollout === undefined;

it('pauses, says who did, refuses what makes no sense, and goes on', async () => {
  machines.of('vm1').write('srv/hold/pkg.install');
  await withCluster('led-held', async ({ farweave, call }) => {
    await begin(farweave, planOf('led-held'));
    await until(() => machines.of('vm1').log.includes('pkg.install'));

    const paused = await call('pause', '--reason', 'lunch');
    expect(paused).toMatchObject({ exitCode: 0, err: '' });
    expect(paused.out).toMatch(/^Revision 1: paused: what runs finishes, nothing else begins\.\n {2}farweave watch /);

    const { exitCode, err } = await call('pause');
    expect(err).toMatch(
      /^Refused to pause revision 1 of led-held: it is paused already, by \S+@\S+\.\nNothing has changed\./,
    );
    expect(exitCode).toBe(1);
    expect((await call('approve')).err).toContain('it waits for no approval');

    const { out } = await call('status');
    expect(out).toMatch(/^State +paused, \d+ of \d+ steps, \d+ changed$/m);
    expect(out).toMatch(/^Waits +paused by \S+@\S+: lunch; farweave resume goes on$/m);

    machines.of('vm1').remove('srv/hold');
    const resumed = await call('resume', '--json');
    expect(JSON.parse(resumed.out)).toEqual({
      cluster: 'led-held',
      revision: 1,
      workflowId: 'rollout:led-held:1',
      control: 'resume',
      said: 'goes on',
    });
    await until(isOver(farweave, 'led-held'));
    expect(await call('resume')).toMatchObject({
      exitCode: 1,
      err: 'No rollout of led-held runs.\nfarweave status says how the last one ended.\n',
    });
    expect((await call('rollback', '--yes')).exitCode).toBe(1);
    const events = await call('events', '-n', '2', '--json');
    expect(JSON.parse(events.out).events.at(-1)).toMatchObject({ what: 'revision 1: done, 25 changed' });
    expect((await call('events')).out).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ {2}revision 1: apply of plan .* began/,
    );
  });
});

it('names what has failed, takes a host out, and tells of it at the end', async () => {
  machines.of('vm2').write('srv/fail/db.label', '1');
  await withCluster('led-failing', async ({ farweave, call }) => {
    const begun = await begin(farweave, planOf('led-failing', hostsOf(2, 2), { onFailure: 'pause' }));
    const { io, said } = console_();
    const manner = { io, json: false, events: false, self: 'farweave' };
    expect(await accompany(farweave, begun, manner)).toBe(1);
    expect(said.out).toMatch(/^ {2}farweave resume +try again, once/m);
    expect(said.out).toMatch(/^ {2}farweave retry vm2 +try again on vm2 only$/m);
    expect(said.out).toMatch(/^ {2}farweave skip vm2 +leave vm2 out; the others go on$/m);
    expect(said.err).toMatch(/^vm2 failed; nothing new begins before somebody decides: farweave retry, /m);

    expect(await call('retry', 'vm22')).toMatchObject({
      exitCode: 2,
      err: 'There is no host vm22; did you mean "vm2"?\nThere are: vm1, vm2, vm3, vm4\n',
    });
    const wrong = await call('retry', 'vm2', '--step', 'pkg.install');
    expect(wrong.err).toContain('pkg.install has not failed on vm2; 07-db.label has');
    expect(wrong.exitCode).toBe(1);

    const again = await call('retry', 'vm2', '--step', 'db.label');
    expect(again).toMatchObject({ exitCode: 0, out: expect.stringContaining('tries again what has failed on vm2') });
    const tried = () => machines.of('vm2').log.filter((line) => line === 'db.label').length;
    await until(async () => tried() > 1 && (await progressOf('led-failing')).stuck === true);

    expect((await call('skip', 'vm2', '--reason', 'its disk is full')).exitCode).toBe(0);
    const rest = console_();
    expect(await accompany(farweave, begun, { ...manner, io: rest.io })).toBe(0);
    expect(rest.said.out).toMatch(/^done: \d+ changed, .*\n1 host left out: vm2$/m);
    expect(rest.said.out).not.toContain('parked');
  });
});

it('waits for an approval, says so once, and goes on when it is given', async () => {
  await withCluster('led-asking', async ({ farweave, call }) => {
    const policy = { approval: { before: 'start', expires: 3_600_000 } } as const;
    const begun = await begin(farweave, planOf('led-asking', hostsOf(2, 2), { policy }));
    const { io, said } = console_();
    const watching = accompany(farweave, begun, { io, json: true, events: false, self: 'farweave' });
    await until(() => said.err.includes('approv'));
    expect((await call('resume')).err).toContain('it waits for an approval: approve it');
    const { out } = await call('status', '--json');
    expect(JSON.parse(out).progress.waits).toEqual([{ for: 'approval', until: expect.any(String) as string }]);
    await new Promise((done) => setTimeout(done, 2_500));
    const told = said.err.split('\n').filter((line) => line.includes('approval'));
    expect(told).toEqual([
      expect.stringMatching(/^waits for an approval until [-\d]+ \d\d:\d\d \S+ \(in 59m \d\ds\): farweave approve$/),
    ]);

    expect((await call('approve', '--reason', 'reviewed')).out).toContain('Revision 1: approved: it goes on.');
    expect(await watching).toBe(0);
    expect(JSON.parse(said.out)).toMatchObject({ state: 'done', changed: 25 });
  });
});

it('ends what runs, and takes it back where that is asked for', async () => {
  machines.of('vm1').write('srv/hold/db.start');
  await withCluster('led-end', async ({ farweave, call }) => {
    await begin(farweave, planOf('led-end', hostsOf(2, 2), { onFailure: 'pause' }));
    await until(() => machines.of('vm1').log.includes('db.start'));
    expect((await call('batch', '1')).out).toContain('from the next wave on 1 host of a site go at a time');
    expect((await call('cancel', '--undo')).exitCode).toBe(0);
    await until(isOver(farweave, 'led-end'));
    expect((await status(farweave, 'led-end'))?.last).toMatchObject({ state: 'undone' });
    expect(machines.of('vm1').log).toContain('undo pkg.install');
  });
});

it('is led by a program', async () => {
  machines.of('vm1').write('srv/slow/pkg.install', '2');
  await withCluster('led-scripted', async ({ farweave, env }) => {
    await begin(farweave, planOf('led-scripted'));
    await until(() => machines.of('vm1').log.includes('pkg.install'));
    const program = spawn(process.execPath, ['examples/control.ts', 'led-scripted'], {
      env: { ...process.env, ...env },
    });
    let said = '';
    for (const stream of [program.stdout, program.stderr])
      stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [exitCode] = (await once(program, 'close')) as [number];
    expect(said).toMatch(
      /^Revision 1 of led-scripted: paused: what runs finishes, nothing else begins\npaused: \d+ changed, 0 failed\ngoes on\n$/,
    );
    expect(exitCode).toBe(0);
    await until(isOver(farweave, 'led-scripted'));
    await expect(control(farweave, 'led-scripted', 'skip', { host: 'vm1' })).rejects.toThrow(
      'No rollout of led-scripted runs.',
    );
  });
});

describe('where nobody can answer', () => {
  it('says so in time, and cancels even so', async () => {
    machines.of('vm1').write('srv/slow/pkg.install', '2');
    let left: Here | undefined;
    await withCluster('led-mute', async (here) => {
      left = here;
      await begin(here.farweave, planOf('led-mute'));
      await until(() => machines.of('vm1').log.includes('pkg.install'));
    });
    const began = Date.now();
    const paused = await left!.call('pause');
    expect(paused.err).toContain('No worker has answered for revision 1 of led-mute within 10 seconds.');
    expect(paused.exitCode).toBe(3);
    expect(Date.now() - began).toBeLessThan(25_000);
    expect((await left!.call('cancel', '--undo')).exitCode).toBe(3);

    const cancelled = await left!.call('cancel');
    expect(cancelled).toMatchObject({ exitCode: 0, out: expect.stringContaining('Temporal is asked to cancel it') });
    const { raw } = await client.workflow.getHandle('rollout:led-mute:1').describe();
    expect(raw.workflowExtendedInfo?.cancelRequested).toBe(true);
  });

  it('names a worker of an earlier release, and cancels even so', async () => {
    await withCluster('led-old', async ({ farweave, env }) => {
      // A workflow that takes none of these updates, as a rollout of the first release does.
      const options = {
        workflowId: 'rollout:led-old:1',
        taskQueue: env['FARWEAVE_TASK_QUEUE']!,
        args: [{ name: 'led-old' }],
      };
      const handle = await client.workflow.start('cluster', options);
      const rollout = { cluster: 'led-old', revision: 1, workflowId: 'rollout:led-old:1', hosts: [], isMute: false };
      await expect(wish(farweave, rollout, { control: 'skip', request: { host: 'vm1' } })).rejects.toMatchObject({
        message: 'The worker of revision 1 of led-old is of an earlier release, and cannot skip.',
        exitCode: 1,
      });
      expect(await wish(farweave, rollout, { control: 'cancel', request: {} })).toMatchObject({
        said: expect.stringContaining('Temporal is asked to cancel it') as string,
      });
      await handle.terminate();
    });
  });
});

/** No terminal, and what was said on it. */
function console_() {
  const said = { out: '', err: '' };
  const stream = (name: 'out' | 'err') => ({
    write: (text: string) => void (said[name] += text),
    live: false,
    size: () => ({ columns: 80, rows: 24 }),
  });
  const io: Io = {
    out: stream('out'),
    err: stream('err'),
    env: {},
    cwd: '/',
    input: async () => '',
    canAsk: false,
    color: false,
    unicode: true,
    onInterrupt: () => () => {},
  };
  return { io, said };
}
