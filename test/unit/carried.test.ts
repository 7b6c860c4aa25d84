import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import type { Plan } from '../../src/plan/plan.ts';
import { carried, FRESH } from '../../src/workflows/carried.ts';
import type { ClusterState } from '../../src/workflows/contract.ts';

/** A plan of about so many characters of JSON. */
const planOf = (size: number) =>
  ({ purpose: 'apply', hosts: [], outputs: [{ title: '', value: 'x'.repeat(size) }] }) as unknown as Plan;
const keyOf = (text: string) => createHash('sha256').update(text).digest('base64');

it('carries over less than what the server warns of, with 1,000 hosts', () => {
  const hosts = Array.from({ length: 1_000 }, (_, n) => `vm${n}`);
  const table = (fact: string) => Object.fromEntries(hosts.map((host) => [host, keyOf(`${fact} ${host}`)]));
  const at = '2026-11-24T10:00:00.000Z';
  const problems = hosts.slice(0, 75).map((host, n) => ({
    host,
    type: 'Unreachable',
    message: 'm'.repeat(120),
    ...(n < 10 && { log: 'l'.repeat(4_000) }),
  }));
  const parked = hosts
    .slice(0, 75)
    .map((host) => [host, { type: 'Unreachable', message: 'm'.repeat(120), since: at, revision: 1 }]);
  const state: ClusterState = {
    ...FRESH,
    revisions: [3, 4].map((revision) => ({
      revision,
      at,
      by: '',
      digest: `d${revision}`,
      hosts: 1_000,
      state: 'done',
    })),
    plans: { d3: planOf(200_000), d4: planOf(200_000) },
    knowledge: { indexes: Object.fromEntries(hosts.map((host, n) => [host, n])) },
    facts: { 'host.key': table('host.key'), 'wireguard.publicKey': table('wireguard.publicKey') },
    events: Array.from({ length: 200 }, () => ({ at, what: 'w'.repeat(200) })),
    last: { revision: 4, digest: 'd4', state: 'done', changed: 1, parked: [], problems, left: [] },
    parked: Object.fromEntries(parked),
    waiting: { plan: planOf(200_000) } as never,
  };
  const kept = carried(state);
  expect(gzipSync(JSON.stringify(kept)).length).toBeLessThan(256 * 1024);
  expect(kept).toMatchObject({ parked: state.parked, waiting: state.waiting, facts: state.facts });
  expect(kept.plans).toHaveProperty('d4');
});
