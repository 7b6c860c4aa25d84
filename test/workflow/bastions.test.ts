import { afterEach, beforeEach, expect, it } from 'vitest';
import { BASTION_KEY, type Bastions, type HostSpec, type Plan } from '../../src/plan/plan.ts';
import { apply, settled } from './applying.ts';
import { connected, measure, sealed, vault, withWorker } from './drive.ts';
import { Machines } from './machines.ts';
import { hostsOf, planOfEach } from './roles.ts';

connected();
let machines: Machines;
beforeEach(() => {
  machines = new Machines();
});
afterEach(() => machines.remove());

const GATE = 'canary-of-the-gate';
const bastions: Bastions = {
  outer: { address: 'gate.example.org', port: 22, user: 'jump', access: { password: 'bastion.outer.password' } },
  inner: { address: '10.0.0.250', port: 22, user: 'jump', via: 'outer', access: {} },
};

/** Two sites, of which the second stands behind two bastions. */
const behind = (given = bastions): Partial<Plan> & { readonly hosts: readonly HostSpec[] } => ({
  bastions: given,
  budget: 1,
  onFailure: 'continue',
  hosts: hostsOf(2, 1).map((host) => (host.site === 'site2' ? { ...host, via: 'inner' } : host)),
});

function plan(cluster: string, given = bastions): Plan {
  const whole = planOfEach(cluster, behind(given).hosts, behind(given));
  return { ...whole, secrets: { ...whole.secrets, 'bastion.outer.password': { from: 'spec' } } };
}

const secrets = async () => ({ ...(await sealed()), 'bastion.outer.password': await vault.seal(GATE) });

it('goes through bastions with their own credentials, and holds them to the keys they showed first', async () => {
  machines.of('outer').write('password', GATE);
  await withWorker(machines, async (queue) => {
    await apply(queue, plan('gated'), { sealed: await secrets() });
    const first = await settled('gated');
    expect(first).toMatchObject({ last: { state: 'done', parked: [] } });
    expect(first.facts[BASTION_KEY]).toEqual({ outer: 'SHA256:outer', inner: 'SHA256:inner' });
    expect((await measure('gated', 1)).histories).not.toContain(GATE);

    // Another machine in the place of a bastion keeps away the hosts behind it, and no others; the mended spec takes it.
    machines.of('inner').write('hostkey', 'SHA256:rebuilt');
    await apply(queue, plan('gated'), { sealed: await secrets() });
    const second = await settled('gated');
    expect(second.parked).toMatchObject({
      vm2: { type: 'BastionKeyChanged', message: expect.stringContaining('inner') as string },
    });
    expect(second.parked?.vm2).not.toHaveProperty('shownKey');
    expect(second.facts[BASTION_KEY]).toMatchObject({ inner: 'SHA256:inner' });

    const pinned = { ...bastions, inner: { ...bastions.inner!, hostKey: 'SHA256:rebuilt' } };
    await apply(queue, plan('gated', pinned), { sealed: await secrets() });
    const third = await settled('gated');
    expect(third).toMatchObject({ last: { state: 'done', parked: [] } });
    expect(third.facts[BASTION_KEY]).toEqual({ outer: 'SHA256:outer', inner: 'SHA256:rebuilt' });
  });
});

it('finds the way to each of many hosts of a site, of which only some stand behind a bastion', async () => {
  machines.of('outer').write('password', GATE);
  const hosts = hostsOf(1, 11).map((host, n) => (n === 5 ? { ...host, via: 'inner' } : host));
  const some = planOfEach('some-gated', hosts, { hosts, bastions });
  const whole: Plan = { ...some, secrets: { ...some.secrets, 'bastion.outer.password': { from: 'spec' } } };
  await withWorker(machines, async (queue) => {
    await apply(queue, whole, { sealed: await secrets() });
    expect(await settled('some-gated')).toMatchObject({ last: { state: 'done', parked: [] } });
  });
});

it('follows up a host by itself when its bastion answers again', async () => {
  machines.of('outer').write('unreachable');
  await withWorker(machines, async (queue) => {
    await apply(queue, plan('cut-off'), { sealed: await secrets() });
    expect((await settled('cut-off')).parked).toMatchObject({ vm2: { type: 'Unreachable' } });
    machines.of('outer').remove('unreachable');
    await expect
      .poll(async () => (await settled('cut-off')).last, { timeout: 60_000 })
      .toMatchObject({
        state: 'done',
        followUp: true,
        parked: [],
      });
  });
});
