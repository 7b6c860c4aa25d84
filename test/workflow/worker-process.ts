import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { openVault } from '../../src/activities/vault.ts';
import { createWorker } from '../../src/worker/create.ts';
import { Machines } from './machines.ts';
import { toys } from './roles.ts';

/** A worker that a test can kill: address, task queue, bundle, folders of the machines and of the vault. */
const [address, taskQueue, codePath, folder, state] = process.argv.slice(2) as [string, string, string, string, string];
Runtime.install({ logger: new DefaultLogger('ERROR') });
const worker = await createWorker({
  connection: await NativeConnection.connect({ address }),
  workflowBundle: { codePath },
  taskQueue,
  connect: new Machines(folder).connect,
  roles: toys,
  vault: await openVault(state),
  identity: `to be killed ${process.pid}`,
});
console.log('ready');
await worker.run();
