import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import { identityOf, openVault } from '../activities/vault.ts';
import { roles } from '../roles/index.ts';
import { createPool } from '../ssh/pool.ts';
import { bundleApart } from './bundle.ts';
import { type Config, loadConfig } from './config.ts';
import { createSiteWorkers, createWorker, runTogether } from './create.ts';
import { registerSearchAttributes } from './search-attributes.ts';

/** Runs a worker until it is told to end. What runs on hosts then runs on, and the next worker follows it. */
async function run(): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('INFO') });
  const config = loadConfig();
  const { namespace, state, site, agent, limits } = config;
  const connection = await NativeConnection.connect(config.connection);
  const pool = createPool({ ...(agent !== undefined && { agent }), ...(limits && { limits }) });
  try {
    const isNew = (await identityOf(state)) === undefined;
    const vault = await openVault(state);
    const options = { ...config, connection, connect: pool.connect, roles, vault };
    const createShared = async () => {
      await registerSearchAttributes(connection, namespace);
      return [await createWorker({ ...options, workflowBundle: await bundleApart() })];
    };
    const workers = site === undefined ? await createShared() : await createSiteWorkers({ ...options, site });
    const running = runTogether(workers); // the SDK ends them on SIGINT and SIGTERM
    introduce(workers[0]!, config, { recipient: vault.recipient, isNew });
    await running;
  } finally {
    await pool.close();
    await connection.close();
  }
}

/** What whoever started it wants to know: which work it takes, from where, and which secrets it can open. */
function introduce(
  { options: { taskQueue, identity } }: Worker,
  { connection: { address }, namespace, site, state }: Config,
  { recipient, isNew }: { readonly recipient: string; readonly isNew: boolean },
): void {
  const what = site === undefined ? 'workflows and the work on hosts' : `the work on hosts of ${site}`;
  console.log(`Ready: takes ${what} from ${taskQueue} at ${address} (namespace ${namespace}), as ${identity}.`);
  console.log(`Opens what is sealed for ${recipient}, by the identity in ${state}.`);
  if (isNew && site !== undefined)
    console.log(
      `That identity is new: copy the file identity of the other workers' state folder there, or have secrets sealed for it too.`,
    );
}

run().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
