import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { expect, it } from 'vitest';
import { dataConverter } from './compact.ts';

const [codec] = dataConverter.payloadCodecs;
const payloadOf = (value: unknown) => defaultPayloadConverter.toPayload(value)!;
const there = async (payload: Payload) => (await codec!.encode([payload]))[0]!;
const back = async (payload: Payload) => (await codec!.decode([payload]))[0]!;

it('leaves small payloads readable', async () => {
  const small = payloadOf({ hosts: ['vm1', 'vm2'] });
  expect(await there(small)).toBe(small);
  expect(await back(small)).toBe(small);
});

it('brings large payloads there and back in a fraction of their size', async () => {
  const plan = Array.from({ length: 5_000 }, (_, n) => ({ name: `site${n % 40}-host${n}`, address: `203.0.113.${n}` }));
  const large = payloadOf(plan);
  const sent = await there(large);
  expect(sent.data!.length).toBeLessThan(large.data!.length / 4);
  expect(defaultPayloadConverter.fromPayload(await back(sent))).toEqual(plan);
});

it('refuses a payload that grows beyond all measure', async () => {
  const sent = await there(payloadOf('x'.repeat(65 * 1024 * 1024)));
  await expect(back(sent)).rejects.toThrow('larger than');
});
