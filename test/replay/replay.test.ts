import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { beforeAll, expect, inject, it } from 'vitest';
import { dataConverter } from '../../src/wire/compact.ts';
import { type History, readHistory } from './history.ts';

const folder = join(import.meta.dirname, 'histories');
const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
const read = (file: string) => readHistory(join(folder, file));

beforeAll(() => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
});

async function replay(history: History): Promise<void> {
  const workflowId = history.events?.[0]?.workflowExecutionStartedEventAttributes?.workflowId ?? undefined;
  const options = { workflowBundle: { codePath: inject('bundlePath') }, dataConverter };
  await Worker.runReplayHistory(options, history, workflowId);
}

it.each(files)('%s: what an older release began goes on as it would have', async (file) => {
  await expect(replay(read(file))).resolves.toBeUndefined();
});

it('would notice a workflow that does something else', async () => {
  const history = read(files.find((file) => file.endsWith('-look.json'))!);
  for (const { activityTaskScheduledEventAttributes: scheduled } of history.events ?? [])
    if (scheduled?.activityType) scheduled.activityType.name = 'host.glance';
  await expect(replay(history)).rejects.toThrow('host.glance');
});
