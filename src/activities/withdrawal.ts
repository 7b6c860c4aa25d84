import * as z from 'zod';
import { type Json, OTHERS, RELEASED, withdrawn } from '../plan/plan.ts';
import { no, type Operation, undoing, type Verdict, yes } from '../roles/operation.ts';
import { type Command, type Output, script } from '../ssh/command.ts';
import { JobLost } from '../ssh/errors.ts';
import * as marker from '../ssh/marker.ts';
import * as origins from '../ssh/origins.ts';
import type { Owner, Result, Step } from './contract.ts';
import { exitFailure, failure } from './failures.ts';
import { answered } from './state.ts';
import type { Visit } from './visit.ts';

const Others = z.object({ but: z.array(z.string()) });
const Released = z.object({ data: z.boolean() });

/** Takes a host back to what it was before the first rollout: by what is recorded there, whatever the plan says by now. */
export interface Withdrawal {
  readonly probe: Command;
  readonly judge: (output: Output) => Verdict;
  /** Throws unless it holds afterwards. */
  readonly perform: () => Promise<Result>;
}

/** What a step takes back; undefined where it is none of these. Throws UnknownOperation or InvalidArguments. */
export function withdrawalOf(
  operations: ReadonlyMap<string, Operation>,
  visit: Visit,
  step: Step,
  owner: Owner | undefined,
): Withdrawal | undefined {
  const [rollout = ''] = step.receipt.split('/');
  if (step.operation === RELEASED) {
    const { data } = parsed(Released, step.args);
    const judge = ({ exitCode }: Output) => (exitCode === 0 ? yes() : no('known to Farweave', 'nobody’s'));
    return { probe: marker.released(), judge, perform: () => giveUp(visit, owner, { data }) };
  }
  if (step.operation === OTHERS) {
    const { but } = parsed(Others, step.args);
    const perform = async () => {
      answered((await visit.ask([origins.keepStale(rollout)]))[0]!);
      return takeBack(operations, visit, step, origins.asking({ but }));
    };
    return { probe: origins.askingOthers(but, rollout), judge: judgeAdded, perform };
  }
  const operation = withdrawn(step.operation);
  if (operation === undefined) return undefined;
  const perform = () => takeBack(operations, visit, step, origins.asking({ only: operation }));
  return { probe: origins.askingOne(operation), judge: judgeAdded, perform };
}

const judgeAdded = ({ stdout }: Output): Verdict =>
  stdout.includes('added') ? no('as Farweave has made it', 'as it was found') : yes();

/** One job for all that is found: files first, then what follows, as in an undo; then the record goes. */
async function takeBack(
  operations: ReadonlyMap<string, Operation>,
  visit: Visit,
  step: Step,
  asking: Command,
): Promise<Result> {
  const find = async () => origins.parse(answered((await visit.ask([asking]))[0]!));
  const layers = await find();
  if (layers.length === 0) return { changed: false };
  const byOperation = [...Map.groupBy(layers, ({ operation }) => operation)];
  const parts = byOperation.map(([name, some]) =>
    origins.withdrawing(name, some, followingOf(operations, visit, some)),
  );
  try {
    const log = await visit.run(step, 'withdraw', script(...parts));
    return { changed: true, ...leftIn(log) };
  } catch (error) {
    // Lost with its host, perhaps after its last change.
    if (error instanceof JobLost && (await find()).length === 0) return { changed: true };
    throw error;
  }
}

/** The undos of all that an operation was ever made with here, the newest first; those that do the same but once. */
function followingOf(
  operations: ReadonlyMap<string, Operation>,
  { host }: Visit,
  layers: readonly origins.Layer[],
): readonly Command[] {
  const all = layers.flatMap(({ operation: name, args }) => {
    const operation = operations.get(name);
    if (!operation) throw failure('UnknownOperation', `no worker here knows ${name}`);
    const undo = undoing(operation, host, parsed(operation.args, JSON.parse(args)));
    return undo ? [undo] : [];
  });
  return [...new Map(all.map((command) => [command.text, command])).values()];
}

async function giveUp(visit: Visit, owner: Owner | undefined, options: { readonly data: boolean }): Promise<Result> {
  if (!owner) throw failure('InvalidArguments', 'nobody says whose the host is');
  const [answer] = await visit.ask([marker.giveUp(owner, options)]);
  const { exitCode, stdout, stderr } = answered(answer!);
  if (exitCode !== 0) throw exitFailure(exitCode, visit.redact(`${stderr}${stdout}`));
  return { changed: true, ...leftIn(stdout) };
}

/** What a script says that it has left, a line each. */
function leftIn(log: string): Pick<Result, 'left'> {
  const left = log
    .split('\n')
    .flatMap((line) => (line.startsWith('left: ') ? [line.slice('left: '.length).trim()] : []));
  return left.length > 0 ? { left: [...new Set(left)].slice(0, 10) } : {};
}

function parsed<Args>(schema: z.ZodType<Args>, args: Json): Args {
  const result = schema.safeParse(args);
  if (!result.success) throw failure('InvalidArguments', result.error.message);
  return result.data;
}
