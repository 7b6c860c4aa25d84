import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { expect, it } from 'vitest';
import type { HostSpec } from '../plan/plan.ts';
import type { SurveyResult } from './contract.ts';
import { failure } from './failures.ts';
import { together } from './together.ts';

const hosts = (count: number): readonly HostSpec[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `vm${index}`,
    site: 'a',
    index,
    address: '',
    port: 22,
    user: 'me',
    labels: {},
    access: {},
  }));
const quiet = () => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
const task = { cluster: 'c', revision: 1, fence: 1, facts: {}, sealed: {}, steps: [] };
const found = (host: HostSpec): SurveyResult => ({ hostKey: host.name, findings: [] });

it('tells of each host what was found there, or why nothing was', async () => {
  const { survey } = together({
    survey: async ({ host }) => {
      if (host.name === 'vm1') throw failure('Unreachable', 'vm1: connection refused');
      return found(host);
    },
    settle: async () => {},
  });
  expect(await quiet().run(survey, { ...task, hosts: hosts(3) })).toEqual([
    found(hosts(3)[0]!),
    {
      failed: {
        type: 'Unreachable',
        message: 'vm1: connection refused',
        detail: expect.objectContaining({ results: [] }),
      },
    },
    found(hosts(3)[2]!),
  ]);
});

it('lets go of all hosts, whatever becomes of one', async () => {
  const gone: string[] = [];
  const { settle } = together({
    survey: async ({ host }) => found(host),
    settle: async ({ host }) => {
      if (host.name === 'vm0') throw failure('Unreachable', 'vm0: no answer in time');
      gone.push(host.name);
    },
  });
  await quiet().run(settle, { ...task, rollout: 'r', hosts: hosts(3) });
  expect(gone).toEqual(['vm1', 'vm2']);
});

it('is tried again as a whole where the worker has to let go', async () => {
  const { survey } = together({
    survey: async () => {
      throw new Error('the worker shuts down');
    },
    settle: async () => {},
  });
  await expect(quiet().run(survey, { ...task, hosts: hosts(2) })).rejects.toThrow('shuts down');
});

it('visits no more than a hundred hosts at a time, whatever the number of activities', async () => {
  let now = 0;
  let most = 0;
  const { survey } = together({
    survey: async ({ host }) => {
      most = Math.max(most, ++now);
      await new Promise((done) => setTimeout(done, 5));
      now -= 1;
      return found(host);
    },
    settle: async () => {},
  });
  const all = Array.from({ length: 3 }, () => quiet().run(survey, { ...task, hosts: hosts(50) }));
  expect((await Promise.all(all)).flat()).toHaveLength(150);
  expect(most).toBe(100);
});
