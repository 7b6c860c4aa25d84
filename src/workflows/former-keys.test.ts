import { expect, it } from 'vitest';
import { withoutFormerKeys } from './former-keys.ts';

const sealed = { 'access.key': 'a', 'access.key-2': 'b', 'access.password': 'c', 'cluster.digestKey': 'd' };
const after = (key: number | undefined, hosts: Record<string, string>) =>
  Object.keys(
    withoutFormerKeys({
      sealed,
      facts: { 'access.key': hosts },
      knowledge: { indexes: {}, ...(key !== undefined && { key }) },
    }).sealed,
  ).filter((name) => name.startsWith('access.key'));

it.each([
  ['the former one once all hosts have the next', 2, { vm0: 'access.key-2' }, ['access.key-2']],
  ['none that a host still has', 2, { vm0: 'access.key-2', vm1: 'access.key' }, ['access.key', 'access.key-2']],
  ['none that hosts are to have', 2, { vm0: 'access.key' }, ['access.key', 'access.key-2']],
  ['one that was made and is not wanted', undefined, { vm0: 'access.key', vm1: '' }, ['access.key']],
] as const)('forgets %s', (_, key, hosts, left) => {
  expect(after(key, hosts)).toEqual(left);
});
