import { TestWorkflowEnvironment } from '@temporalio/testing';

// A program of its own: starts the SDK's server once, which leaves its download in the folder given, and ends it again.
const [downloadDir] = process.argv.slice(2);
if (!downloadDir) throw new Error('usage: sdk-download FOLDER');
try {
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir } },
  });
  await environment.teardown();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
