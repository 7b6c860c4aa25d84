import { Context } from '@temporalio/activity';
import type { Facts, Json } from '../plan/plan.ts';
import type { Lender, Task } from './contract.ts';

/** Values that a worker holds on to. Those of one rollout are a few: a mesh, and the keys of its hosts. */
const KEPT = 64;

type Table = Facts[string];
type Borrower = Pick<Task, 'borrows' | 'facts'> & { readonly steps?: Task['steps'] };
type Ask = (lender: Lender, key: string) => Promise<unknown>;

/**
 * Makes tasks whole: what is too large to stand in every history is asked of the workflow that holds it. Once for all the
 * tasks of a worker that want it, at the same time too. Where nobody answers the activity fails, and is tried again.
 */
export function createBorrow(
  ask: Ask = askLender,
): <Input extends Borrower, Output>(act: (task: Input) => Promise<Output>) => (task: Input) => Promise<Output> {
  const kept = new Map<string, Promise<Json>>();

  const borrow = (lender: Lender, key: string): Promise<Json> => {
    const name = `${lender.runId} ${key}`;
    const known = kept.get(name);
    if (known) return known;
    const asked = ask(lender, key).then((value) => {
      if (value === null || value === undefined) throw new Error(`${lender.workflowId} has no ${key} to lend`);
      return value as Json;
    });
    kept.set(name, asked);
    asked.catch(() => kept.delete(name));
    for (const oldest of [...kept.keys()].slice(0, Math.max(0, kept.size - KEPT))) kept.delete(oldest);
    return asked;
  };

  return (act) => async (task) => {
    const { borrows } = task;
    if (!borrows) return act(task);
    const of = (key: string) => borrow(borrows.from, key);
    const [facts, steps] = await Promise.all([
      Promise.all(Object.entries(borrows.facts).map(async ([fact, key]) => [fact, await of(key)] as const)),
      Promise.all((task.steps ?? []).map((step) => whole(step, of))),
    ]);
    const tables = facts.map(([fact, table]) => [fact, renewed(table as Table, task.facts[fact])] as const);
    return act({ ...task, facts: { ...task.facts, ...Object.fromEntries(tables) }, ...(task.steps && { steps }) });
  };
}

/** The table itself where there is no news: a copy of a thousand entries for each of a thousand hosts would be felt. */
function renewed(table: Table, news: Table = {}): Table {
  return Object.entries(news).every(([host, value]) => table[host] === value) ? table : { ...table, ...news };
}

async function whole(step: Task['steps'][number], of: (key: string) => Promise<Json>): Promise<Task['steps'][number]> {
  const { lent, ...own } = step;
  if (!lent) return step;
  const args = Object.entries(own.args as Readonly<Record<string, Json>>);
  const all = args.map(
    async ([name, value]) => [name, lent[name] === undefined ? value : await of(lent[name])] as const,
  );
  return { ...own, args: Object.fromEntries(await Promise.all(all)) };
}

const askLender: Ask = ({ workflowId, runId, query }, key) =>
  Context.current().client.workflow.getHandle(workflowId, runId).query<unknown, [string]>(query, key);
