import { ACCESS_SUDO } from '../plan/access-key.ts';
import { type Facts, HOST_KEY, type HostSpec } from '../plan/plan.ts';
import type { Command, Output, Question } from '../ssh/command.ts';
import type { Connect } from '../ssh/host.ts';
import { keyOf } from '../ssh/key.ts';
import { claiming, holding } from '../ssh/marker.ts';
import type { Result, Step, Task } from './contract.ts';
import { cancelled, classify, exitFailure, failure, handedOver, lastLines } from './failures.ts';
import { startPulse } from './pulse.ts';
import { ask } from './question.ts';
import { learntBy, type Reached, reach, tryKey } from './reach.ts';
import type { createSecrets } from './secrets.ts';

/** What an activity has to do with a host: ask it and change it, with its secrets at hand. */
export interface Visit {
  readonly host: HostSpec;
  readonly facts: Facts;
  /** What has been done so far. A failure tells it, so that it can be undone. */
  readonly results: Result[];
  /** Stands before the message of a failure. */
  where: string;
  /** The key that the host showed. */
  readonly hostKey: () => Promise<string>;
  ask(questions: readonly Question[]): Promise<readonly Output[]>;
  /**
   * Changes the host, once: a further call for the same step and generation follows the first. Throws unless it ended with 0.
   * A host that is nobody's becomes ours by it, unless something is taken back, and one of somebody else is left alone.
   * Gives the end of what it has said.
   */
  run(step: Step, purpose: 'apply' | 'undo' | 'withdraw', change: Command): Promise<string>;
  /** What the next heartbeats say. */
  says(step: Step, at: string): void;
  readonly redact: (text: string) => string;
  readonly stop: AbortSignal;
}

export interface Tools {
  readonly connect: Connect;
  readonly open: ReturnType<typeof createSecrets>;
}

/** Visits the host of a task. What goes wrong is classified, and told without secrets. */
export async function visiting<T>(
  { connect, open }: Tools,
  task: Omit<Task, 'steps'>,
  act: (visit: Visit) => Promise<T>,
  options: { guessing?: boolean } = {},
): Promise<T> {
  const { host, facts, sealed, fence, owner } = task;
  const secrets = open(sealed, options);
  const pulse = startPulse(secrets.redact);
  const way = { connect, secrets, host, facts };
  let by: Reached | undefined;
  const reached = async () => {
    by = by ? { ...by, connection: await connect(by.target) } : await reach(way);
    return by.connection;
  };
  const visit: Visit = {
    host,
    facts,
    results: [],
    where: host.name,
    hostKey: async () => (await reached()).hostKey,
    ask: async (questions) => {
      const values = await secrets.values(questions.filter((question): question is Command => 'text' in question));
      const connection = await reached();
      const { hostKey } = connection;
      return ask(connection, questions, values, {
        cancel: pulse.stop,
        // Who has been let in by the key need not try it.
        tryKey: async (key) =>
          key === by?.key
            ? { exitCode: 0, stdout: facts[ACCESS_SUDO]?.[host.name] ?? '', stderr: '' }
            : tryKey({ ...way, host: { ...host, hostKey } }, key),
      });
    },
    run: async (step, purpose, change) => {
      const [rollout, stage] = step.receipt.split('/');
      if (rollout === undefined || stage === undefined)
        throw failure('InvalidArguments', `no receipt: ${step.receipt}`);
      const { generation, timeout } = step;
      const ours = purpose === 'withdraw' ? holding : claiming;
      const script = owner ? ours({ ...owner, rollout }, change) : change;
      const key = keyOf({ rollout, step: stage, host: host.name, generation, purpose });
      const values = await secrets.values([script]);
      const offset = pulse.offsetOf(key);
      pulse.says({ job: key, offset });
      const connection = await reached();
      const { exitCode, stdout } = await connection.run(
        { key, script, values, fence, timeout, rollout },
        { offset, cancel: pulse.cancel, detach: pulse.detach, onLog: pulse.log },
      );
      if (exitCode !== 0) throw exitFailure(exitCode, stdout);
      return stdout;
    },
    says: ({ operation }, at) => pulse.says({ step: operation, at }),
    redact: secrets.redact,
    stop: pulse.stop,
  };
  try {
    return await act(visit);
  } catch (error) {
    if (pulse.detach.aborted) throw handedOver();
    if (pulse.cancel.aborted) throw cancelled({ results: visit.results });
    const log = pulse.tail === '' ? {} : { log: lastLines(pulse.tail, 40) };
    throw classify(error, visit.where, { ...log, ...learntBy(error, by), results: visit.results }, secrets.redact);
  } finally {
    pulse.end();
  }
}

/** The host's key as a fact, where nobody has known it so far. */
export async function firstKey({ host, facts, hostKey }: Visit): Promise<Readonly<Record<string, string>>> {
  if (host.hostKey !== undefined || facts[HOST_KEY]?.[host.name] !== undefined) return {};
  return { [HOST_KEY]: await hostKey() };
}
