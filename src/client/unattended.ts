import type { Plan } from '../plan/plan.ts';
import { presenceQueue } from '../workflows/contract.ts';
import type { At } from './command.ts';
import type { Farweave } from './connection.ts';
import { isPolled } from './dev/worker.ts';

/** How long ago a worker may have said that it is there and still count, in milliseconds. It asks anew every minute. */
const SEEN = 90_000;

/** Says where a plan has hosts that nobody is there for. Not an error: a worker may be on its way, and hosts come back. */
export async function warnOfUnattended(
  { io }: At,
  { client, namespace, taskQueue }: Farweave,
  { hosts }: Pick<Plan, 'hosts'>,
) {
  const sites = new Set(hosts.flatMap(({ site, workers }) => (workers === 'own' ? [site] : [])));
  for (const site of sites) {
    const queue = { namespace, taskQueue: presenceQueue(taskQueue, site) };
    if (await isPolled(client.connection, queue, Date.now() - SEEN, 'activities')) continue;
    io.err.write(
      `No worker is there for ${site}, and its hosts are left out until one is: start it there with \`farweave worker --site ${site}\`.\n`,
    );
  }
}
