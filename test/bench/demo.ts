import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readDevState } from '../../src/client/dev/state.ts';
import { connect } from '../../src/client/index.ts';
import { progressQuery } from '../../src/workflows/contract.ts';
import { historiesOf, listed } from './histories.ts';

/** What the rollouts of a running demo have cost: time, activities, events and bytes of history, memory of the worker. */
const state = resolve('.farweave/demo/.farweave');
const { client, close } = await connect({ state });
const rows = [];
for (const workflowId of await rollouts()) {
  const histories = await historiesOf(client, workflowId);
  const [own] = histories;
  const { changed } = await client.workflow.getHandle(workflowId).query(progressQuery);
  rows.push({
    rollout: workflowId,
    changed,
    seconds: own.seconds,
    workflows: histories.length,
    activities: histories.reduce((sum, { activities }) => sum + activities, 0),
    'largest history': `${Math.max(...histories.map(({ events }) => events))} events`,
    'in KiB': Math.round(Math.max(...histories.map(({ bytes }) => bytes)) / 1024),
    'input KiB': Math.round(own.input / 1024),
  });
}
console.table(rows);
const pid = readDevState(state).worker?.pid;
if (pid !== undefined) {
  const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  console.log(`worker: ${Math.round(Number(resident) / 1024)} MiB resident`);
}
await close();

async function rollouts(): Promise<readonly string[]> {
  const ids = await listed(client, 'WorkflowType = "rollout"');
  return ids.toSorted((one, other) => Number(one.split(':').at(-1)) - Number(other.split(':').at(-1)));
}
