import { execFile } from 'node:child_process';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';

/** In bytes: some four megabytes of code, with its source map. */
const LARGEST = 64 * 1024 * 1024;

/** The workflows as one file of code, as a worker wants them. Takes seconds: once a process, or less. */
export async function bundleWorkflows(): Promise<WorkflowBundle> {
  return bundleWorkflowCode({
    // `.ts` in a checkout, `.js` in the package.
    workflowsPath: join(import.meta.dirname, `../workflows/index${extname(import.meta.filename)}`),
    logger: new DefaultLogger('ERROR'),
  });
}

/** The same, made by a process of its own: the 220 MB that a bundler takes would stay with the worker for its life. */
export async function bundleApart(): Promise<WorkflowBundle> {
  const { stdout } = await promisify(execFile)(process.execPath, [import.meta.filename], { maxBuffer: LARGEST });
  return { code: stdout };
}

if (import.meta.main) process.stdout.write((await bundleWorkflows()).code);
