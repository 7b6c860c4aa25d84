// Adds a host to a cluster that serves, by a signal, and waits until it is in:
//
//   node examples/add-host.ts forum vm3 fra 192.0.2.13 SHA256:…
//
// A signal can be sent by whoever reaches Temporal: `temporal workflow signal`, the Web UI, a script in any language. It
// brings no secrets: the host is reached as the cluster file says. Without the key that it must show, it is sent nothing
// until somebody approves the one that it does show (farweave host approve).
// (As the package: import … from 'farweave'.)
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, status } from '../src/client/index.ts';

const [cluster, name, site, address, hostKey] = process.argv.slice(2);
if (!cluster || !name || !site || !address) {
  console.error('usage: node examples/add-host.ts CLUSTER NAME SITE ADDRESS [SHA256:…]');
  process.exit(2);
}
const farweave = await connect({ progress: console.error });
try {
  const host = { name, site, address, ...(hostKey && { hostKey }) };
  const sent = new Date().toISOString();
  await farweave.client.workflow.getHandle(`cluster:${cluster}`).signal('addHost', { host, by: 'a script' });

  for (let told = ''; ; await sleep(1_000)) {
    const { requests = [], events = [] } = (await status(farweave, cluster)) ?? {};
    // A signal cannot be refused: then that is an event.
    const refused = events.findLast(({ at, what }) => at >= sent && what.startsWith('addHost was refused'));
    if (refused) throw new Error(refused.what);
    const request = requests.findLast(
      ({ at, change }) => at >= sent && 'add' in change && change.add.some((added) => added.name === name),
    );
    if (!request) continue;
    const { id, state, revision, said, shownKey } = request;
    const now = `${id}: ${state}${revision === undefined ? '' : `, revision ${revision}`}${shownKey ? `, shows ${shownKey}` : ''}`;
    if (now !== told) console.log(now);
    told = now;
    if (state === 'done') break;
    if (['failed', 'refused', 'withdrawn'].includes(state)) throw new Error(said ?? state);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await farweave.close();
}
