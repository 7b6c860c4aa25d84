import { expect, it, vi } from 'vitest';
import { createBorrow } from './borrow.ts';
import type { Task } from './contract.ts';

const from = { workflowId: 'rollout:forum:1', runId: 'r1', query: 'lent' };
const values: Record<string, unknown> = {
  'net.key 1': { vm1: 'k1', vm2: 'k2', vm3: 'k3' },
  '04-net.join/hosts': { vm1: 1, vm2: 2 },
};
const step = { receipt: 'r/04', operation: 'net.join', generation: 0, timeout: 1_000 };
const task = (more: Partial<Task> = {}): Task =>
  ({
    facts: { 'net.key': { vm2: 'newer' }, small: { vm1: 's' } },
    steps: [{ ...step, args: { port: 1, hosts: null, mtu: 2 }, lent: { hosts: '04-net.join/hosts' } }],
    borrows: { from, facts: { 'net.key': 'net.key 1' } },
    ...more,
  }) as Task;

it('makes a task whole: what it brings itself is newer, and arguments keep their order', async () => {
  const whole = await createBorrow((_, key) => Promise.resolve(values[key]))((given: Task) => Promise.resolve(given))(
    task(),
  );
  expect(whole.facts).toEqual({ 'net.key': { vm1: 'k1', vm2: 'newer', vm3: 'k3' }, small: { vm1: 's' } });
  expect(JSON.stringify(whole.steps)).toBe(
    JSON.stringify([{ ...step, args: { port: 1, hosts: { vm1: 1, vm2: 2 }, mtu: 2 } }]),
  );
});

it('asks once for all tasks of a worker, and again for those of another rollout', async () => {
  const ask = vi.fn<(lender: unknown, key: string) => Promise<unknown>>((_, key) => Promise.resolve(values[key]));
  const act = createBorrow(ask)((given: Task) => Promise.resolve(given.facts));
  await Promise.all([act(task()), act(task()), act(task())]);
  expect(ask).toHaveBeenCalledTimes(2);
  await act(task({ borrows: { from: { ...from, runId: 'r2' }, facts: { 'net.key': 'net.key 1' } } }));
  expect(ask).toHaveBeenCalledTimes(4);
});

it('leaves a task alone that has all it needs', async () => {
  const { borrows: _, ...own } = task({ steps: [] });
  const ask = vi.fn<() => Promise<unknown>>();
  await expect(createBorrow(ask)((given: Task) => Promise.resolve(given))(own)).resolves.toBe(own);
  expect(ask).not.toHaveBeenCalled();
});

it('fails where nobody answers, and asks anew at the next attempt', async () => {
  const answers = [null, values['net.key 1'], values['04-net.join/hosts']];
  const act = createBorrow(() => Promise.resolve(answers.shift()))((given: Task) => Promise.resolve(given.facts));
  await expect(act(task({ steps: [] }))).rejects.toThrow('rollout:forum:1 has no net.key 1 to lend');
  await expect(act(task({ steps: [] }))).resolves.toMatchObject({ 'net.key': { vm3: 'k3' } });
});
