import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Owner } from '../../src/activities/contract.ts';
import { openVault, type Vault } from '../../src/activities/vault.ts';
import {
  type AdoptRequest,
  adoptUpdate,
  type Belongings,
  belongingsQuery,
  type ClusterCopy,
  type ClusterState,
  moveUpdate,
} from '../../src/workflows/contract.ts';
import { CANARIES, client, connected, measure, outcome, start, until, vault, withWorker } from './drive.ts';
import { apply, cluster, type Laptop, rolledOut, status, withTwo } from './laptops.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOf } from './roles.ts';

connected();
let machines: Machines;
let otherVault: Vault;
let folder: string;
beforeEach(async () => {
  machines = new Machines();
  folder = await mkdtemp(join(tmpdir(), 'farweave-other-vault-'));
  otherVault = await openVault(folder);
});
afterEach(async () => {
  machines.remove();
  await rm(folder, { recursive: true });
});

const small = hostsOf(2, 1);
const names = small.map(({ name }) => name);

async function adopt(laptop: Laptop, name: string, request: AdoptRequest): Promise<ClusterState> {
  const { startWorkflowOperation } = cluster(laptop, name);
  return laptop.client.workflow.executeUpdateWithStart(adoptUpdate, { startWorkflowOperation, args: [request] });
}

const move = (laptop: Laptop, name: string, revision: number) =>
  cluster(laptop, name).handle.executeUpdate(moveUpdate, { args: [{ by: laptop.by, revision }] });

/** What a cluster is, sealed for the workers of another laptop. */
async function belongings(of: Laptop, name: string, to: Laptop): Promise<Belongings> {
  const state = await cluster(of, name).handle.query(belongingsQuery);
  const entries = Object.entries(state.sealed).map(
    async ([secret, text]) => [secret, await to.vault.seal(await of.vault.open(text))] as const,
  );
  return { ...state, sealed: Object.fromEntries(await Promise.all(entries)) };
}

async function refusal(reply: Promise<unknown>): Promise<string> {
  const error: unknown = await reply.catch((e: unknown) => e);
  if (!(error instanceof WorkflowUpdateFailedError) || !(error.cause instanceof ApplicationFailure)) throw error;
  return `${error.cause.type}: ${error.cause.message}`;
}

const marker = (name: string) =>
  JSON.parse(machines.of(name).read('farweave/owner') ?? 'null') as (Owner & { rollout: string }) | null;
const copy = (name: string) =>
  JSON.parse(machines.of(name).read('farweave/cluster.json') ?? 'null') as ClusterCopy | null;

it('refuses the second of two servers by name, on every host, before anything is changed', async () => {
  await withTwo(machines, otherVault, async (ada, bob) => {
    expect(await rolledOut(ada, planOf('shared', small))).toMatchObject({ state: 'done' });
    const { owner } = await status(ada, 'shared');
    expect(owner).toMatch(/^[0-9a-f-]{36}$/);
    for (const name of names) expect(marker(name)).toMatchObject({ id: owner, cluster: 'shared', by: 'ada@laptop' });
    const before = names.map((name) => machines.of(name).log);

    const refused = await rolledOut(bob, planOf('shared', small, { onFailure: 'continue', budget: 9 }));
    expect(refused).toMatchObject({ state: 'failed', changed: 0, parked: [] });
    const today = new Date().toISOString().slice(0, 10);
    expect(refused.problems.map(({ host, type, message }) => `${host} ${type} ${message}`).toSorted()).toEqual(
      names.map(
        (name) =>
          `${name} Owned survey of ${name}: the host belongs to cluster shared of ada@laptop since ${today} (id ${owner})`,
      ),
    );
    expect(refused.problems[0]?.hint).toContain('farweave cluster adopt');
    expect(names.map((name) => machines.of(name).log)).toEqual(before);
    for (const name of names) expect(marker(name)?.id).toBe(owner);
    expect((await status(bob, 'shared')).owner).not.toBe(owner);
  });
});

it('lets the cluster go on where it was adopted, and no longer where it was', async () => {
  await withTwo(machines, otherVault, async (ada, bob) => {
    const plan = planOf('adopted', small);
    await rolledOut(ada, plan);
    const state = await belongings(ada, 'adopted', bob);
    expect(await refusal(move(ada, 'adopted', 7))).toMatch(/^InvalidRequest: revision 1 of adopted has begun since/);
    await move(ada, 'adopted', 1);
    const adopted = await adopt(bob, 'adopted', { state, by: bob.by, from: 'a file of ada@laptop' });
    expect(adopted).toMatchObject({ revision: 1, version: 1, owner: (await status(ada, 'adopted')).owner });
    expect(adopted.events.at(-1)).toMatchObject({ what: 'adopted from a file of ada@laptop', by: 'bob@desk' });

    // With the old secrets: a new password would have the database started anew.
    expect(await rolledOut(bob, plan, { basis: 1 })).toMatchObject({ state: 'done', changed: 0 });
    machines.of('vm1').remove('srv/db');
    expect(await rolledOut(bob, plan, { basis: 1 })).toMatchObject({ state: 'done' });
    expect(await refusal(apply(ada, plan, { basis: 1 }))).toMatch(
      /^Moved: adopted moved on \d{4}-\d\d-\d\d by ada@laptop: it lives elsewhere now/,
    );

    const back = await belongings(bob, 'adopted', ada);
    await move(bob, 'adopted', 3);
    expect(await adopt(ada, 'adopted', { state: back, by: ada.by, from: 'a file of bob@desk' })).toMatchObject({
      revision: 3,
    });
    expect((await status(ada, 'adopted')).moved).toBeUndefined();
    expect(await rolledOut(ada, plan, { basis: 1 })).toMatchObject({ state: 'done', changed: 0 });
    expect(await refusal(apply(bob, plan, { basis: 1 }))).toMatch(/^Moved: /);
  });
});

it('moves no cluster under a running rollout, and takes up none that is known, unless it must', async () => {
  await withTwo(machines, otherVault, async (ada, bob) => {
    machines.of('vm1').write('srv/hold/pkg.install');
    const plan = planOf('held', small);
    const { workflowId } = await apply(ada, plan);
    const state = await belongings(ada, 'held', bob);
    expect(await refusal(move(ada, 'held', 1))).toMatch(/^RolloutRunning: a rollout of held runs/);
    const again: AdoptRequest = { state, by: bob.by, from: 'a test' };
    expect(await refusal(adopt(ada, 'held', { ...again, force: true }))).toMatch(/^RolloutRunning: /);
    machines.of('vm1').remove('srv/hold');
    await client.workflow.getHandle(workflowId).result();
    await until(async () => (await status(ada, 'held')).rollout === undefined);
    expect(await refusal(adopt(ada, 'held', again))).toBe('ClusterKnown: held is known here, at revision 1');
    const forced = await adopt(ada, 'held', { ...again, state: { ...state, revision: 0 }, force: true });
    expect(forced.revision, 'no number is given twice').toBe(1);
  });
});

it('stops the rollout where somebody else claims a host after the survey', async () => {
  await withWorker(machines, async (queue) => {
    const owner = { id: 'a1', cluster: 'raced', by: 'ada@laptop', since: '2026-11-02T09:00:00.000Z' };
    machines.of('vm1').write('srv/hold/pkg.install');
    const handle = await start(queue, planOf('raced', small, { onFailure: 'continue', budget: 9 }), { owner });
    await until(() => machines.of('vm1').log.length > 0 && machines.of('vm2').log.length > 0);
    machines.of('vm2').write('farweave/owner', JSON.stringify({ ...owner, id: 'b2', by: 'bob@desk', rollout: 'x' }));
    machines.of('vm1').remove('srv/hold');
    const ended = await outcome(handle);
    expect(ended).toMatchObject({ state: 'failed', parked: [] });
    expect(ended.problems).toMatchObject([{ host: 'vm2', type: 'Owned' }]);
    expect(ended.problems[0]?.message).toMatch(/ on vm2: the host belongs to cluster raced of bob@desk since/);
    expect(machines.of('vm2').read('srv/db')).toBeUndefined();
  });
});

it('gives hosts back that it had claimed, where all was taken back, and leaves its own alone', async () => {
  await withTwo(machines, otherVault, async (ada, bob) => {
    const plan = planOf('given', small);
    machines.of('vm2').write('srv/fail/db.start', '1');
    expect(await rolledOut(ada, plan)).toMatchObject({ state: 'undone', left: [] });
    for (const name of names) expect(machines.of(name).list('farweave')).not.toContain('owner');
    for (const name of names) expect(copy(name)).toBeNull();
    machines.of('vm2').remove('srv/fail');
    expect(await rolledOut(bob, plan)).toMatchObject({ state: 'done' });

    for (const name of names) machines.of(name).remove('srv/db');
    machines.of('vm2').write('srv/fail/db.start', '1');
    expect(await rolledOut(bob, plan, { basis: 1 })).toMatchObject({ state: 'undone', left: [] });
    for (const name of names) expect(marker(name)?.by).toBe('bob@desk');
  });
});

it('leaves a copy of the cluster on a few hosts, in which nothing can be read that is secret', async () => {
  await withWorker(machines, async (queue) => {
    const hosts = hostsOf(3, 4);
    const ada: Laptop = { client, queue, vault, by: 'ada@laptop' };
    expect(await rolledOut(ada, planOf('copied', hosts))).toMatchObject({ state: 'done' });
    const { version, owner, facts, knowledge, sealed } = await status(ada, 'copied');
    const keepers = hosts.map(({ name }) => name).filter((name) => copy(name));
    expect(keepers).toHaveLength(8);
    expect(new Set(keepers.map((name) => hosts.find((host) => host.name === name)?.site)).size).toBe(3);
    expect(copy('vm1')).toEqual({ revision: 1, cluster: 'copied', owner, version, facts, knowledge, sealed });
    expect(Object.keys(sealed).toSorted()).toEqual(['cluster.digestKey', 'db.password', 'vm.password']);
    for (const value of Object.values(CANARIES))
      expect(machines.of('vm1').read('farweave/cluster.json')).not.toContain(value);

    // A host that missed it is not needed; one that changes brings all copies up to date.
    machines.of('vm12').remove('srv/zone');
    expect(await rolledOut(ada, planOf('copied', hosts), { basis: 1 })).toMatchObject({ state: 'done' });
    expect(copy('vm1')?.revision).toBe(2);
    expect(copy('vm12')).toBeNull();
    expect((await measure('copied', 2)).types['host.settle']).toBe(9);
  });
});
