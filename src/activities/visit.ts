import { once } from 'node:events';
import { Context } from '@temporalio/activity';
import { ACCESS_SUDO } from '../plan/access-key.ts';
import { BASTION_KEY, type Facts, HOST_KEY, type HostSpec } from '../plan/plan.ts';
import type { Command, Output, Question } from '../ssh/command.ts';
import type { Connect, Host, Job } from '../ssh/host.ts';
import { keyOf } from '../ssh/key.ts';
import { Crowded } from '../ssh/limits.ts';
import { claiming, holding } from '../ssh/marker.ts';
import type { Result, Step, Task } from './contract.ts';
import { cancelled, classify, crowded, exitFailure, failure, handedOver, lastLines } from './failures.ts';
import type { Heard } from './heard.ts';
import { startPulse } from './pulse.ts';
import { ask } from './question.ts';
import { byEitherKey, learntBy, type Reached, reach, tryKey, trySight } from './reach.ts';
import type { createSecrets } from './secrets.ts';

/** What an activity has to do with a host: ask it and change it, with its secrets at hand. */
export interface Visit {
  readonly host: HostSpec;
  readonly facts: Facts;
  /** What has been done so far. A failure tells it, so that it can be undone. */
  readonly results: Result[];
  /** How many steps after the one that comes next may have begun. A failure tells it. */
  begun: number;
  /** Stands before the message of a failure. */
  where: string;
  /** The key that the host showed. */
  readonly hostKey: () => Promise<string>;
  /** name → the key of bastions on the way of which none was known. */
  readonly newBastionKeys: () => Promise<Readonly<Record<string, string>>>;
  ask(questions: readonly Question[]): Promise<readonly Output[]>;
  /**
   * Changes the host, once: a further call for the same step and generation follows the first. Throws unless it ended with 0.
   * A host that is nobody's becomes ours by it, unless something is taken back, and one of somebody else is left alone.
   * Gives the end of what it has said, without secrets. `steps`: all that it brings about, if more than this one.
   */
  run(step: Step, purpose: Purpose, change: Command, steps?: readonly Step[]): Promise<string>;
  /** Follows a job that is there to its end. Rejects with JobLost where there is none. */
  follow(job: string, steps: readonly Step[]): Promise<string>;
  /** Names the job of a step, for what it does. */
  keyOf(step: Step, purpose: Purpose): string;
  /** What the host has told its last survey, once, and only the first attempt. */
  recall(questions: readonly Question[]): readonly Output[] | undefined;
  /** What the next heartbeats say. */
  says(step: Step, at: string): void;
  /** Steps are at this one. */
  at(step: Step): void;
  readonly redact: (text: string) => string;
  readonly stop: AbortSignal;
}

export type Purpose = 'apply' | 'guess' | 'undo' | 'withdraw';

export interface Tools {
  readonly connect: Connect;
  /** What hosts have told their surveys. */
  readonly heard: Heard;
  readonly open: ReturnType<typeof createSecrets>;
}

/** Visits the host of a task. What goes wrong is classified, and told without secrets: `what` and the host stand before it. */
export async function visiting<T>(
  { connect, open, heard }: Tools,
  task: Omit<Task, 'steps'>,
  what: string,
  act: (visit: Visit) => Promise<T>,
  options: { guessing?: boolean } = {},
): Promise<T> {
  const { host, bastions, facts, sealed, fence, owner } = task;
  const secrets = open(sealed, options);
  const pulse = startPulse(secrets.redact);
  const connectTo = byEitherKey(connect, host, facts);
  const way = { connect: connectTo, secrets, host, facts, bastions };
  let by: Reached | undefined;
  /** Until it is aborted the connection is not closed for the sake of others. */
  let held = new AbortController();
  const reached = async () => {
    const during = held.signal;
    by = by
      ? { ...by, connection: await connectTo(by.target, during).catch(inTurn) }
      : await reach({ ...way, during }).catch(inTurn);
    return by.connection;
  };
  /** For a connection besides ours, which may have to be closed for it. */
  const makeRoom = () => {
    held.abort();
    held = new AbortController();
  };
  const logIn = async (key: string, hostKey: string): Promise<Output> => {
    // Who has been let in by the key need not try it.
    if (key === by?.key) return { exitCode: 0, stdout: facts[ACCESS_SUDO]?.[host.name] ?? '', stderr: '' };
    makeRoom();
    return await tryKey({ ...way, host: { ...host, hostKey } }, key).catch(inTurn);
  };
  const see = async (hostKey: string): Promise<Output> => {
    await reached();
    makeRoom();
    return await trySight(connect, { ...by!.target, hostKey }).catch(inTurn);
  };
  const follow = async (key: string, steps: readonly Step[], job: Pick<Job, 'script' | 'values'>) => {
    const { rollout } = placeOf(steps[0]!);
    const timeout = steps.reduce((sum, step) => sum + step.timeout, 0);
    const offset = pulse.offsetOf(key);
    pulse.says({ job: key, offset });
    const connection = await reached();
    const watch = { offset, cancel: pulse.cancel, detach: pulse.detach, onLog: pulse.log };
    const { exitCode, stdout } = await connection.run({ key, ...job, fence, timeout, rollout }, watch);
    const said = secrets.redact(stdout);
    if (exitCode !== 0) throw exitFailure(exitCode, said);
    return said;
  };
  const visit: Visit = {
    host,
    facts,
    results: [],
    begun: 0,
    where: `${what} ${host.name}`,
    hostKey: async () => (await reached()).hostKey,
    newBastionKeys: async () => {
      const { bastionKeys = {} } = await reached();
      const isNew = ([name, key]: readonly [string, string]) => facts[BASTION_KEY]?.[name] !== key;
      return Object.fromEntries(Object.entries(bastionKeys).filter(isNew));
    },
    ask: async (questions) => {
      const values = await secrets.values(questions.filter((question): question is Command => 'text' in question));
      const connection = await reached();
      const { hostKey } = connection;
      return ask(connection, questions, values, {
        cancel: pulse.stop,
        tryKey: (key) => logIn(key, hostKey),
        trySight: see,
      });
    },
    run: async (step, purpose, change, steps = [step]) => {
      const { rollout } = placeOf(step);
      const ours = purpose === 'withdraw' ? holding : claiming;
      const script = owner ? ours({ ...owner, rollout }, change) : change;
      return follow(visit.keyOf(step, purpose), steps, { script, values: await secrets.values([script]) });
    },
    follow: (job, steps) => follow(job, steps, { values: {} }),
    keyOf: (step, purpose) => {
      const { rollout, stage } = placeOf(step);
      return keyOf({ rollout, step: stage, host: host.name, generation: step.generation, purpose });
    },
    recall: (questions) => (Context.current().info.attempt === 1 ? heard.take(task, questions) : undefined),
    says: ({ operation }, at) => pulse.says({ step: operation, at }),
    at: (step) => {
      visit.where = `${step.operation} on ${host.name}`;
    },
    redact: secrets.redact,
    stop: pulse.stop,
  };
  try {
    await turnOf(reached, pulse.stop);
    return await act(visit);
  } catch (error) {
    if (pulse.detach.aborted) throw handedOver();
    const done = { results: visit.results, ...(visit.begun > 0 && { begun: visit.begun }) };
    if (pulse.cancel.aborted) throw cancelled(done);
    const log = pulse.tail === '' ? {} : { log: lastLines(pulse.tail, 40) };
    throw classify(error, visit.where, { ...log, ...learntBy(error, by), ...done }, secrets.redact);
  } finally {
    pulse.end();
    held.abort();
  }
}

/** Waits for the connection before anything is asked, so that no step pays for it with its time. */
async function turnOf(reach: () => Promise<Host>, stop: AbortSignal): Promise<void> {
  const stopped = stop.aborted ? Promise.resolve() : once(stop, 'abort');
  await Promise.race([reach(), stopped]);
  stop.throwIfAborted();
}

/** Where others were before us the activity is tried again, and not the step. */
function inTurn(error: unknown): never {
  throw error instanceof Crowded ? crowded(error) : error;
}

/** The host's key as a fact, where it has been known by another so far, or by none. */
export async function keyMet({ host, facts, hostKey }: Visit): Promise<Readonly<Record<string, string>>> {
  if (host.hostKey !== undefined) return {};
  const shown = await hostKey();
  return shown === facts[HOST_KEY]?.[host.name] ? {} : { [HOST_KEY]: shown };
}

/** Whose step it is, by its receipt. Throws InvalidArguments. */
export function placeOf({ receipt }: Pick<Step, 'receipt'>): { readonly rollout: string; readonly stage: string } {
  const [rollout, stage] = receipt.split('/');
  if (rollout === undefined || stage === undefined) throw failure('InvalidArguments', `no receipt: ${receipt}`);
  return { rollout, stage };
}
