import { beforeEach, expect, it, vi } from 'vitest';
import type { Facts } from '../plan/plan.ts';
import type { PlacedStage } from './contract.ts';
import { borrowing, Lending } from './lending.ts';

const queries = new Map<string, (key: string) => unknown>();
vi.mock('@temporalio/workflow', async (original) => ({
  ...(await original<object>()),
  setHandler: ({ name }: { name: string }, answer: (key: string) => unknown) => void queries.set(name, answer),
  workflowInfo: () => ({ workflowId: 'rollout:forum:1', runId: 'r1' }),
}));
beforeEach(() => queries.clear());

const hosts = Array.from({ length: 100 }, (_, n) => `vm${n}`);
const table = (value: string) => Object.fromEntries(hosts.map((host) => [host, `${value} of ${host}`]));
const stage = (args: object, needs: readonly string[] = []) =>
  ({ id: '04-net.join', operation: 'net.join', args, needs }) as unknown as PlacedStage;
const lent = (key: string) => queries.get('lent')!(key);

it('lends large arguments and leaves small ones where they are', () => {
  const mesh = stage({ port: 1, hosts: Object.fromEntries(hosts.map((host) => [host, 'a'.repeat(50)])), mtu: 2 });
  const told = new Lending([mesh]).stage(mesh);
  expect(told).toMatchObject({
    args: { port: 1, hosts: null, mtu: 2 },
    lent: { hosts: '04-net.join/hosts' },
  });
  expect(Object.keys(told.args as object)).toEqual(['port', 'hosts', 'mtu']);
  expect(lent('04-net.join/hosts')).toEqual((mesh.args as { hosts: object }).hosts);
  const small = stage({ port: 1 });
  expect(new Lending([small]).stage(small)).toBe(small);
});

it('tells hosts of a large table only what is theirs, and by which key the rest is known', () => {
  const lending = new Lending([]);
  const { facts, lends } = lending.facts({ 'net.key': table('key'), few: { vm0: 'x' } }, new Set(['vm1', 'vm2']));
  expect(facts).toEqual({ 'net.key': { vm1: 'key of vm1', vm2: 'key of vm2' }, few: { vm0: 'x' } });
  expect(lends?.from).toEqual({ workflowId: 'rollout:forum:1', runId: 'r1', query: 'lent' });
  expect(lent(lends!.facts['net.key']!)).toEqual(table('key'));
  const later = lending.facts({ 'net.key': table('another') }, new Set(['vm1']));
  expect(later.lends!.facts['net.key']).not.toBe(lends!.facts['net.key']);
  expect(lent(lends!.facts['net.key']!)).toEqual(table('key'));
});

it('tells a task what has been learnt since the table was lent', () => {
  const known: Facts = { 'net.key': { vm1: 'old', vm2: 'old' } };
  const lends = { from: { workflowId: 'w', runId: 'r', query: 'lent' }, facts: { 'net.key': 'k' } };
  const account = { known, facts: { 'net.key': { ...known['net.key'], vm2: 'new' } } };
  expect(borrowing({ lends }, account, 'vm1', [stage({}, ['net.key'])])).toEqual({
    facts: { 'net.key': { vm1: 'old', vm2: 'new' } },
    borrows: { from: lends.from, facts: { 'net.key': 'k' } },
  });
  expect(borrowing({ lends }, { known, facts: known }, 'vm1', [stage({}, ['net.key'])]).facts).toEqual({
    'net.key': { vm1: 'old' },
  });
});

it('asks for nothing where nothing is lent', () => {
  const facts: Facts = { few: { vm1: 'x' }, other: { vm1: 'y' } };
  expect(borrowing({}, { known: facts, facts }, 'vm1', [stage({}, ['few'])])).toEqual({ facts: { few: { vm1: 'x' } } });
});
