import { Context } from '@temporalio/activity';
import type { AskWorkflow } from './contract.ts';

/** Through the worker's own connection. One that is busy, or whose worker is away, is asked again by the retry policy. */
export const askWorkflow: AskWorkflow = ({ workflowId, query, args }) =>
  Context.current()
    .client.workflow.getHandle(workflowId)
    .query<unknown, unknown[]>(query, ...args);
