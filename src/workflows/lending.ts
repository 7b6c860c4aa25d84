import { defineQuery, setHandler, workflowInfo } from '@temporalio/workflow';
import type { Task } from '../activities/contract.ts';
import { type Facts, type Json, namedArguments } from '../plan/plan.ts';
import type { Account } from './account.ts';
import type { PlacedStage, SiteInput } from './contract.ts';

const lentQuery = defineQuery<Json, [key: string]>('lent');

/** An argument is lent from this size on, in characters of JSON; a table of facts from so many hosts on. */
const LARGE = 4_000;
const MANY = 64;

type Table = Facts[string];

/**
 * What many activities take and would stand in a history once for each: a mesh of a thousand hosts is a thousand names
 * and keys for each of the thousand. It stays with the workflow that holds the plan, and every worker asks for it once.
 */
export class Lending {
  readonly #values = new Map<string, Json>();
  readonly #keys = new Map<Table, string>();

  constructor(stages: Iterable<PlacedStage>) {
    for (const stage of stages)
      for (const [name, value] of namedArguments(stage.args))
        if (JSON.stringify(value).length >= LARGE) this.#values.set(keyOfArgument(stage, name), value);
    setHandler(lentQuery, (key) => this.#values.get(key) ?? null, {
      description: 'What activities take of it, by the key in their input.',
    });
  }

  /** A stage as its steps are told of it: the key of what is lent stands beside the arguments. */
  stage(stage: PlacedStage): PlacedStage {
    const all = namedArguments(stage.args);
    const keys = all.flatMap(([name]) => {
      const key = keyOfArgument(stage, name);
      return this.#values.has(key) ? [[name, key] as const] : [];
    });
    if (keys.length === 0) return stage;
    const lent = Object.fromEntries(keys);
    // In their order: what a step runs may depend on it, and must come out the same in every attempt.
    const args = Object.fromEntries(all.map(([name, value]) => [name, lent[name] === undefined ? value : null]));
    return { ...stage, args, lent };
  }

  /** Of these facts, what hosts need to know at once, and where the rest is. */
  facts(facts: Facts, names: ReadonlySet<string>): Pick<SiteInput, 'lends'> & { readonly facts: Facts } {
    const lent: Record<string, string> = {};
    const told: Record<string, Table> = {};
    for (const [fact, table] of Object.entries(facts)) {
      const key = this.#keyOfTable(fact, table);
      if (key !== undefined) lent[fact] = key;
      told[fact] = key === undefined ? table : own(table, names);
    }
    if (Object.keys(lent).length === 0 && !this.#hasLent) return { facts: told };
    const { workflowId, runId } = workflowInfo();
    return { facts: told, lends: { from: { workflowId, runId, query: lentQuery.name }, facts: lent } };
  }

  get #hasLent(): boolean {
    return this.#values.size > 0;
  }

  /** By what is in it: a worker may ask for it while the next table is there already. */
  #keyOfTable(fact: string, table: Table): string | undefined {
    const known = this.#keys.get(table);
    if (known !== undefined || Object.keys(table).length < MANY) return known;
    const key = `${fact} ${checksum(JSON.stringify(table))}`;
    this.#keys.set(table, key);
    this.#values.set(key, table);
    return key;
  }
}

/** The facts of a task: of those that are lent what has been learnt since, and where the rest is. */
export function borrowing(
  { lends }: Pick<SiteInput, 'lends'>,
  { facts, known }: Pick<Account, 'facts' | 'known'>,
  host: string,
  stages: readonly Pick<PlacedStage, 'needs' | 'lent'>[],
): Pick<Task, 'facts' | 'borrows'> {
  const keys: Record<string, string> = {};
  const told: Record<string, Table> = {};
  for (const fact of new Set(stages.flatMap(({ needs }) => needs))) {
    const [table, key] = [facts[fact], lends?.facts[fact]];
    if (key !== undefined) keys[fact] = key;
    if (table) told[fact] = key === undefined ? table : newsOf(table, known[fact] ?? {}, host);
  }
  const isLent = Object.keys(keys).length > 0 || stages.some(({ lent }) => lent !== undefined);
  return { facts: told, ...(lends && isLent && { borrows: { from: lends.from, facts: keys } }) };
}

function newsOf(table: Table, known: Table, own: string): Table {
  const isOwn = table[own] === undefined ? {} : { [own]: table[own] };
  if (table === known) return isOwn;
  return { ...Object.fromEntries(Object.entries(table).filter(([host, value]) => known[host] !== value)), ...isOwn };
}

function own(table: Table, names: ReadonlySet<string>): Table {
  return Object.fromEntries([...names].flatMap((host) => (table[host] === undefined ? [] : [[host, table[host]]])));
}

const keyOfArgument = ({ id }: Pick<PlacedStage, 'id'>, name: string) => `${id}/${name}`;

/** Two tables of one fact in one rollout are told apart by it: 53 bits (FNV-like, in two halves). */
function checksum(text: string): string {
  let [one, two] = [0xdeadbeef, 0x41c6ce57];
  for (let n = 0; n < text.length; n++) {
    const code = text.charCodeAt(n);
    one = Math.imul(one ^ code, 2_654_435_761);
    two = Math.imul(two ^ code, 1_597_334_677);
  }
  return [one, two].map((half) => (half >>> 0).toString(36)).join('');
}
