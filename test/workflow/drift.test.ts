import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { drift, type Farweave, repair, status, unschedule } from '../../src/client/index.ts';
import { digestOf } from '../../src/plan/digest.ts';
import { clusterId, type DriftResult, driftId, progressQuery, rolloutId } from '../../src/workflows/contract.ts';
import { begin, type Here, withCommandLine } from './command-line.ts';
import { client, connected, until } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
let cwd: string;
beforeEach(() => {
  machines = new Machines();
  cwd = mkdtempSync(join(tmpdir(), 'farweave-drift-'));
});
afterEach(() => {
  machines.remove();
  rmSync(cwd, { recursive: true });
});

/** A worker, and a cluster of four hosts (more, if told) that has been rolled out. */
async function withCluster(name: string, act: (here: Here) => Promise<void>, plan = planOf(name)): Promise<void> {
  await withCommandLine(machines, { cwd, file: fileOf(name) }, async (here) => {
    const { farweave } = here;
    try {
      await begin(farweave, plan, 1);
      await ended(name, 1);
      await act(here);
    } finally {
      await unschedule(farweave, name);
    }
  });
}

/** It names the cluster, and nothing else of it counts here. */
const fileOf = (name: string) => `apiVersion: farweave.dev/v1
kind: Cluster
metadata: { name: ${name} }
sites: { site1: {} }
access: { user: vagrant, password: { env: NOBODY_HAS_SET_IT } }
hosts: [{ name: vm1, site: site1, address: 10.0.0.1 }]
roles: { docker: {} }
`;

const stateOf = async (name: string) => (await status({ client } as Farweave, name))!;
const told = async (name: string) => (await stateOf(name)).events.map(({ what }) => what);
const ended = (name: string, revision: number) =>
  until(async () => {
    const { last, rollout } = await stateOf(name);
    return rollout === undefined && last?.revision === revision;
  });

/** What differs, in short. */
const brief = ({ differences }: DriftResult) =>
  differences.map(({ host, operation, now, act }) => `${host} ${operation ?? '-'}: ${now} (${act})`);

it('finds what is no longer as it was rolled out, tells of it once, and again when it is gone', async () => {
  await withCluster('drifting', async ({ farweave, call }) => {
    expect(await drift(farweave, 'drifting')).toEqual({
      cluster: 'drifting',
      revision: 1,
      digest: digestOf(planOf('drifting')),
      asked: 4,
      differences: [],
      clean: true,
    });
    const before = await told('drifting');

    machines.of('vm1').remove('srv/pkg/engine');
    machines.of('vm2').write('srv/net.json', '{"mtu":9000}');
    machines.of('vm3').remove('srv/db');
    machines.of('vm4').write('unreachable');
    const found = await drift(farweave, 'drifting');
    expect(brief(found)).toEqual([
      'vm1 pkg.install: absent (operator)',
      'vm2 net.configure: {"mtu":9000} (operator)',
      'vm3 db.start: absent (operator)',
      expect.stringMatching(/^vm4 -: Unreachable: .* \(person\)$/),
    ]);
    expect(found).toMatchObject({ clean: false, asked: 4 });

    const said = await call('drift');
    expect(said.exitCode).toBe(4);
    expect(said.out).toMatch(/^vm2 +net\.configure +\{"mtu":9000\} +\{"mtu":1400\} +operator$/m);
    expect(said.out).toContain('4 differences on 4 hosts, measured by revision 1; a repair mends 3.');
    expect(JSON.parse((await call('drift', '--json')).out)).toMatchObject({ clean: false, revision: 1 });
    expect((await call('status')).out).toMatch(/^Drift +4 differences, looked at .*; a repair mends 3$/m);

    const [event, ...more] = (await told('drifting')).slice(before.length);
    expect(event).toBe('drift: vm1 pkg.install; vm2 net.configure; vm3 db.start; vm4 Unreachable');
    expect(more).toEqual([]);
    machines.of('vm4').remove('unreachable');
    await drift(farweave, 'drifting');
    expect((await told('drifting')).at(-1)).toBe('drift has changed: vm1 pkg.install; vm2 net.configure; vm3 db.start');
    machines.of('vm1').write('srv/pkg/engine');
    machines.of('vm2').write('srv/net.json', '{"mtu":1400}');
    machines.of('vm3').remove('srv/db.conf'); // which nobody asks for
    const mended = await call('drift', '--repair', '--yes');
    expect(mended).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^done: 1 changed/m) });
    expect(await call('drift')).toMatchObject({ exitCode: 0, out: 'No drift: 4 hosts as revision 2 made them.\n' });
    expect(await call('drift', '--repair')).toMatchObject({
      exitCode: 0,
      out: 'No drift: 4 hosts as revision 2 made them.\nNothing to repair.\n',
    });
    expect((await stateOf('drifting')).drift).toMatchObject({ clean: true, revision: 2 });
  });
});

it('sees a key that was made anew, which nobody else knows, and a host that no rollout would take', async () => {
  await withCluster('drift-key', async ({ farweave }) => {
    machines.of('vm1').write('srv/key', 'another');
    machines.of('vm2').remove('srv/pkg/engine');
    machines.of('vm3').write('srv/os', 'gentoo');
    expect(brief(await drift(farweave, 'drift-key'))).toEqual([
      'vm1 net.createKey: another net.key (operator)',
      'vm2 pkg.install: absent (operator)',
      'vm3 sys.supported: gentoo (person)',
    ]);
  });
});

it('opens a repair that waits for an approval, and then mends', async () => {
  await withCluster('drift-mend', async ({ farweave, call }) => {
    await expect(repair(farweave, 'drift-mend')).rejects.toThrow('no drift of drift-mend is known');
    machines.of('vm2').write('srv/net.json', '{"mtu":9000}');
    const opened = await call('drift', '--repair');
    expect(opened.exitCode).toBe(0);
    expect(opened.out).toContain('Revision 2 repairs it. It surveys the hosts, then waits for an approval');
    const handle = client.workflow.getHandle(rolloutId('drift-mend', 2));
    await until(async () => (await handle.query(progressQuery)).waits?.for === 'approval');
    expect(machines.of('vm2').read('srv/net.json')).toBe('{"mtu":9000}');

    const again = await call('drift');
    expect(again).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining('Nobody was asked for drift: revision 2'),
    });
    await expect(repair(farweave, 'drift-mend')).rejects.toThrow('revision 2 of drift-mend is paused');

    expect((await call('approve')).out).toContain('approved');
    await ended('drift-mend', 2);
    expect(machines.of('vm2').read('srv/net.json')).toBe('{"mtu":1400}');
    expect(await told('drift-mend')).toContain('revision 2 repairs the drift of vm2');
    expect((await stateOf('drift-mend')).drift).toBeUndefined();
  });
});

it('gives way to an apply, also of the same plan, and leaves no trace when nobody wants the repair', async () => {
  await withCluster('drift-yield', async ({ farweave, call }) => {
    machines.of('vm2').write('srv/net.json', '{"mtu":9000}');
    expect((await call('drift', '--repair')).exitCode).toBe(0);
    expect((await call('cancel', '--yes')).exitCode).toBe(0);
    await until(async () => (await stateOf('drift-yield')).rollout === undefined);
    expect(await stateOf('drift-yield')).toMatchObject({
      last: { revision: 1, state: 'done' },
      drift: { clean: false },
    });

    expect((await call('drift', '--repair')).exitCode).toBe(0);
    const begun = await begin(farweave, planOf('drift-yield'), 1);
    expect(begun).toMatchObject({ revision: 4, attached: false });
    await ended('drift-yield', 4);
    expect(machines.of('vm2').read('srv/net.json')).toBe('{"mtu":1400}');
    expect(await told('drift-yield')).toContain('revision 3 gives way to another plan');
  });
});

it('counts for nothing while something is rolled out, nor does a report that comes too late', async () => {
  await withCluster('drift-busy', async ({ farweave }) => {
    machines.of('vm1').write('srv/net.json', '{"mtu":9000}');
    machines.of('vm1').write('srv/hold/net.configure');
    await begin(farweave, planOf('drift-busy'), 1);
    const { skipped, differences } = await drift(farweave, 'drift-busy');
    expect(skipped).toMatch(/^revision 2 of drift-busy is under way/);
    expect(differences).toEqual([]);
    expect((await stateOf('drift-busy')).drift).toBeUndefined();
    await expect(repair(farweave, 'drift-busy')).rejects.toThrow('revision 2 of drift-busy is under way');
    // An old report of a look that has come too late.
    const late = {
      at: '',
      revision: 1,
      clean: false,
      differences: 1,
      repairable: 1,
      hosts: { vm1: ['db.start: absent'] },
    };
    await client.workflow.getHandle(clusterId('drift-busy')).signal('drift', { drift: late, since: 1, by: 'somebody' });
    await client.workflow.getHandle(clusterId('drift-busy')).signal('drift', 'what somebody has typed');
    await client.workflow.getHandle(clusterId('drift-busy')).signal('drift');
    machines.of('vm1').remove('srv/hold');
    await ended('drift-busy', 2);
    expect((await stateOf('drift-busy')).drift).toBeUndefined();
  });
});

it('is looked for by the server, and the looks leave little behind', async () => {
  await withCluster('drift-timed', async ({ call }) => {
    expect((await call('drift', 'schedule')).out).toContain('No looks for drift are scheduled.');
    expect((await call('drift', 'schedule', '30s')).exitCode).toBe(2);
    expect((await call('drift', 'schedule', '15m')).out).toMatch(/^Drift {2}is looked for every 15m\nNext /);
    expect((await call('drift', 'schedule', '1h')).out).toMatch(/^Drift {2}is looked for every 1h\n/);
    machines.of('vm1').remove('srv/pkg/engine');
    const events = (await told('drift-timed')).length;
    const length = async () => (await client.workflow.getHandle(clusterId('drift-timed')).describe()).historyLength;
    const before = await length();
    const handle = client.schedule.getHandle(driftId('drift-timed'));
    for (let n = 1; n <= 3; n++) {
      const had = (await stateOf('drift-timed')).drift?.at;
      await handle.trigger();
      await until(async () => (await stateOf('drift-timed')).drift?.at !== had);
      await until(async () => (await handle.describe()).info.runningActions.length === 0);
    }
    expect((await stateOf('drift-timed')).events.slice(events)).toEqual([
      { at: expect.any(String) as string, by: 'the drift schedule', what: 'drift: vm1 pkg.install' },
    ]);
    expect((await length()) - before).toBeLessThanOrEqual(3 * 6);
    expect(JSON.parse((await call('drift', 'schedule', '--json')).out)).toMatchObject({
      scheduled: true,
      every: 3_600_000,
    });
    expect((await call('drift', 'schedule', 'off')).out).toContain('No looks for drift are scheduled.');
    expect((await call('drift', 'schedule', 'off')).exitCode).toBe(0);
  });
});

it('asks many hosts in parts, and tells of all of them', async () => {
  const hosts = hostsOf(2, 15);
  await withCluster(
    'drift-many',
    async ({ farweave }) => {
      machines.of('vm1').remove('srv/pkg/engine');
      machines.of('vm30').remove('srv/pkg/engine');
      const found = await drift(farweave, 'drift-many');
      expect(brief(found)).toEqual(['vm1 pkg.install: absent (operator)', 'vm30 pkg.install: absent (operator)']);
      expect(found.asked).toBe(30);
    },
    planOf('drift-many', hosts),
  );
});
