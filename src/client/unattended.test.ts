import { expect, it } from 'vitest';
import { hostAt } from '../../test/applied.ts';
import type { At } from './command.ts';
import type { Farweave } from './connection.ts';
import { warnOfUnattended } from './unattended.ts';

/** A server that knows when each task queue was last polled for activities, in milliseconds ago. */
function serverWith(polled: Readonly<Record<string, number>>): Farweave {
  const describeTaskQueue = ({ taskQueue, taskQueueType }: { taskQueue: { name: string }; taskQueueType: number }) => {
    const ago = taskQueueType === 2 ? polled[taskQueue.name] : undefined;
    return { pollers: ago === undefined ? [] : [{ lastAccessTime: { seconds: (Date.now() - ago) / 1_000 } }] };
  };
  const connection = { workflowService: { describeTaskQueue }, withDeadline: (_: number, act: () => unknown) => act() };
  return { client: { connection }, namespace: 'default', taskQueue: 'farweave' } as unknown as Farweave;
}

async function warnings(polled: Readonly<Record<string, number>>): Promise<string> {
  let said = '';
  const at = { io: { err: { write: (text: string) => void (said += text) } } } as unknown as At;
  const hosts = [
    { ...hostAt(0), site: 'ams', workers: 'own' as const },
    { ...hostAt(1), site: 'ams', workers: 'own' as const },
    { ...hostAt(2), site: 'fra' },
  ];
  await warnOfUnattended(at, serverWith(polled), { hosts });
  return said;
}

it('names a site whose own workers are not there, once, and how to start one', async () => {
  expect(await warnings({})).toBe(
    'No worker is there for ams, and its hosts are left out until one is: start it there with `farweave worker --site ams`.\n',
  );
  expect(await warnings({ 'farweave@ams:present': 300_000 })).toContain('ams');
});

it('says nothing where one is there, nor of sites that any worker does', async () => {
  expect(await warnings({ 'farweave@ams:present': 30_000 })).toBe('');
});
