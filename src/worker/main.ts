import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { openVault } from '../activities/vault.ts';
import { roles } from '../roles/index.ts';
import { createPool } from '../ssh/pool.ts';
import { bundleApart } from './bundle.ts';
import { loadConfig } from './config.ts';
import { createWorker } from './create.ts';
import { registerSearchAttributes } from './search-attributes.ts';

/** Runs a worker until it is told to end. What runs on hosts then runs on, and the next worker follows it. */
async function run(): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('INFO') });
  const { connection: options, namespace, taskQueue, state, concurrency, agent, entries } = loadConfig();
  const connection = await NativeConnection.connect(options);
  const pool = createPool({ ...(agent !== undefined && { agent }) });
  try {
    await registerSearchAttributes(connection, namespace);
    const [vault, workflowBundle] = await Promise.all([openVault(state), bundleApart()]);
    const { connect } = pool;
    const worker = await createWorker({
      connection,
      namespace,
      taskQueue,
      concurrency,
      workflowBundle,
      connect,
      roles,
      vault,
      entries,
    });
    await worker.run(); // the SDK ends it on SIGINT and SIGTERM
  } finally {
    await pool.close();
    await connection.close();
  }
}

run().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
