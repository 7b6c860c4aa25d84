import { expect, it } from 'vitest';
import { plainVault } from '../../test/vault.ts';
import type { HostSpec } from '../plan/plan.ts';
import { BastionKeyChanged } from '../ssh/bastions.ts';
import { HostKeyChanged } from '../ssh/errors.ts';
import type { Target } from '../ssh/host.ts';
import { createGreet } from './greet.ts';
import { createSecrets } from './secrets.ts';

const vault = plainVault();
const host: HostSpec = {
  name: 'vm3',
  site: 'fra',
  index: 3,
  address: '10.0.0.3',
  port: 22,
  user: 'ada',
  labels: {},
  via: 'gate',
  access: { password: 'access.password' },
};
const bastions = {
  gate: { address: '192.0.2.1', port: 22, user: 'jump', access: { password: 'bastion.gate.password' } },
};
const asked = {
  host,
  bastions,
  facts: { 'bastion.key': { gate: 'SHA256:gate' } },
  sealed: { 'bastion.gate.password': 'open' },
};

it('tells the key of a host behind a bastion, which is held to its own key and gets its own login alone', async () => {
  const targets: Target[] = [];
  const connect = async (target: Target) => {
    targets.push(target);
    throw new HostKeyChanged(target, target.hostKey ?? '', 'SHA256:vm3');
  };
  expect(await createGreet({ connect, open: createSecrets(vault, {}) })(asked)).toBe('SHA256:vm3');
  expect(targets).toMatchObject([{ name: 'vm3', via: { name: 'gate', password: 'open', hostKey: 'SHA256:gate' } }]);
  expect(targets[0]).not.toHaveProperty('password');
});

it('never takes the key of a bastion for that of the host', async () => {
  const connect = async ({ via }: Target) => {
    throw new BastionKeyChanged(new HostKeyChanged({ ...via!, bastion: true }, 'SHA256:gate', 'SHA256:other'));
  };
  await expect(createGreet({ connect, open: createSecrets(vault, {}) })(asked)).rejects.toMatchObject({
    type: 'BastionKeyChanged',
    message: expect.stringContaining('through gate'),
  });
});
