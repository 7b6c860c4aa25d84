import { setTimeout as pass } from 'node:timers/promises';
import type { Json } from '../plan/plan.ts';
import { type Operation, tables, type Verdict } from '../roles/operation.ts';
import type { Output } from '../ssh/command.ts';
import type { Step } from './contract.ts';
import { failure, lastLines } from './failures.ts';
import type { Visit } from './visit.ts';

const POLL = 2_000;

/** An operation applied to a host and its arguments: a state that the host is in, or not. */
export type State = ReturnType<typeof describe>;

/** Looks up what a step names. Throws UnknownOperation or InvalidArguments. */
export function describe(operations: ReadonlyMap<string, Operation>, { host, facts, redact }: Visit, step: Step) {
  const operation = operations.get(step.operation);
  if (!operation) throw failure('UnknownOperation', `no worker here knows ${step.operation}`);
  const parsed = operation.args.safeParse(step.args);
  if (!parsed.success) throw failure('InvalidArguments', parsed.error.message);
  const args: Json = parsed.data;
  const needed = tables(operation, facts);
  const judge = (output: Output): Verdict =>
    without(redact, noAnswer(output) ?? operation.judge(output, host, args, needed));
  const interval = operation.interval?.(args) ?? POLL;
  return { operation, args, facts: needed, probe: operation.probe(host, args, needed), judge, interval };
}

/** A verdict quotes what the host has said. */
function without(redact: Visit['redact'], verdict: Verdict): Verdict {
  if (verdict.is === 'unknown') return { ...verdict, why: redact(verdict.why) };
  return verdict.is === 'no' ? { ...verdict, now: redact(verdict.now), wanted: redact(verdict.wanted) } : verdict;
}

/** Asks until the state holds or the time (milliseconds since 1970) is over, and gives the last verdict. Asks at least once. */
export async function awaitState(visit: Visit, state: State, until: number): Promise<Verdict> {
  for (;;) {
    const [answer] = await visit.ask([state.probe]);
    const verdict = state.judge(answer!);
    if (verdict.is === 'yes' || Date.now() + state.interval > until) return verdict;
    await pass(state.interval, undefined, { signal: visit.stop });
  }
}

/** What is wrong, for a verdict that is not yes. */
export function wrong(verdict: Exclude<Verdict, { is: 'yes' }>): string {
  return verdict.is === 'no' ? `${verdict.now}, not ${verdict.wanted}` : verdict.why;
}

/** The answer to a question of our own, of which nobody is the judge. Throws StateUnknown where there is none. */
export function answered(output: Output): Output {
  const none = noAnswer(output);
  if (none) throw failure('StateUnknown', none.why);
  return output;
}

/** A question that could not be put, or was given up, is not answered "no". */
function noAnswer({ exitCode, stderr }: Output): Extract<Verdict, { is: 'unknown' }> | undefined {
  return exitCode < 126
    ? undefined
    : { is: 'unknown', why: `the probe exited with ${exitCode}: ${lastLines(stderr, 3)}` };
}
