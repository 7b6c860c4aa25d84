import { describe, expect, it } from 'vitest';
import { newHost } from './joining.ts';

it('reads a host from a command line as a cluster file would have it', () => {
  expect(newHost('vm3', '192.0.2.13', { site: 'fra' })).toEqual({ name: 'vm3', site: 'fra', address: '192.0.2.13' });
  expect(
    newHost('vm3', 'ada@[2001:db8::1]:2222', {
      site: 'fra',
      via: 'gate',
      label: ['disk=fast', 'front=a=b'],
      role: ['mongodb'],
      password: 'env:VM3_PASSWORD',
      privateKey: 'file:~/.ssh/vm3',
      sudoPassword: 'worker:sudo',
    }),
  ).toEqual({
    name: 'vm3',
    site: 'fra',
    address: '2001:db8::1',
    port: 2222,
    user: 'ada',
    via: 'gate',
    labels: { disk: 'fast', front: 'a=b' },
    roles: ['mongodb'],
    password: { env: 'VM3_PASSWORD' },
    privateKey: { file: '~/.ssh/vm3' },
    sudo: { password: { worker: 'sudo' } },
  });
});

describe('refuses', () => {
  it.each([
    ['a password itself', { password: 'hunter2' }, 'never written there'],
    ['a reference to nowhere', { password: 'vault:x' }, 'never written there'],
    ['a label without a value', { label: ['fast'] }, 'is no label'],
  ])('%s', (_, options, message) => {
    expect(() => newHost('vm3', '192.0.2.13', { site: 'fra', ...options })).toThrow(message);
  });
});
