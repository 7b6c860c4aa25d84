import { extname, join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleWithSourceMap } from '@temporalio/worker';

/** The workflows as one file of code, as a worker wants them. Takes seconds: once a process, or less. */
export async function bundleWorkflows(): Promise<WorkflowBundleWithSourceMap> {
  return bundleWorkflowCode({
    // `.ts` in a checkout, `.js` in the package.
    workflowsPath: join(import.meta.dirname, `../workflows/index${extname(import.meta.filename)}`),
    logger: new DefaultLogger('ERROR'),
  });
}
