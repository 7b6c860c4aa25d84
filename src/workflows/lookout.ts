import { CancellationScope, condition, proxyActivities } from '@temporalio/workflow';
import type { AwaitHosts } from '../activities/contract.ts';
import { waysIn } from '../plan/access-key.ts';
import type { HostSpec } from '../plan/plan.ts';
import { bastionsTo, isAccessTo, keysOfBastions } from '../plan/way.ts';
import { clipped } from './activity.ts';
import type { ClusterState } from './contract.ts';
import { queueOf } from './host-queue.ts';
import type { Memory } from './memory.ts';
import { awaited } from './parked.ts';
import { fromWorkers } from './site-input.ts';

/** A worker that is silent for so long is taken for dead. */
const HEARTBEAT = '20 seconds';
/** How long one activity waits before another takes its place. Its attempts leave no events. */
const PATIENT = '8 weeks';
/** After the waiting itself has failed, or the beginning, which no host is to blame for. In milliseconds. */
const REST = 3_600_000;

/** Waits for parked hosts to answer again, and says so. Begins nothing while anything else is going on. */
export class Lookout {
  readonly #memory: Memory;
  readonly #isIdle: () => boolean;
  #isClosed = false;
  #asking: CancellationScope | undefined;

  constructor(memory: Memory, isIdle: () => boolean) {
    this.#memory = memory;
    this.#isIdle = isIdle;
  }

  /** Until it is closed. `found` is told the hosts that answer, and says whether it could bring them along. */
  async run(found: (hosts: readonly string[]) => Promise<boolean>): Promise<void> {
    while (await this.#hasReason()) {
      const { state } = this.#memory;
      const { due, next } = awaited(state, Date.now());
      const isOver = () => this.#isClosed || !this.#isIdle() || this.#memory.state.parked !== state.parked;
      const rest = next === undefined ? undefined : next - Date.now();
      const hosts = due.length === 0 ? await pass(isOver, rest) : await this.#ask(due, isOver, rest);
      if (hosts.length > 0 && !isOver() && !(await found(hosts))) await pass(isOver, REST);
    }
  }

  /** What it waits for is ended. */
  close(): void {
    this.#isClosed = true;
    this.#asking?.cancel();
  }

  /** Waits until there is somebody to wait for. */
  async #hasReason(): Promise<boolean> {
    const isWanted = () => {
      if (!this.#isIdle()) return false;
      const { due, next } = awaited(this.#memory.state, Date.now());
      return due.length > 0 || next !== undefined;
    };
    await condition(() => this.#isClosed || isWanted());
    return !this.#isClosed;
  }

  /** Hosts that answer; none where it is over before, or where others are due too. */
  async #ask(due: readonly string[], isOver: () => boolean, rest: number | undefined): Promise<readonly string[]> {
    const scope = new CancellationScope();
    this.#asking = scope;
    let answer: readonly string[] | 'failed' | undefined;
    void scope
      .run(() => reach(this.#memory, due))
      .then(
        (hosts) => (answer = hosts),
        () => (answer = 'failed'),
      );
    await pass(() => answer !== undefined || isOver(), rest);
    if (answer === 'failed') return await pass(isOver, REST);
    scope.cancel();
    return answer ?? [];
  }
}

async function pass(isOver: () => boolean, milliseconds: number | undefined): Promise<readonly string[]> {
  if (milliseconds === undefined) await condition(isOver);
  else await condition(isOver, milliseconds);
  return [];
}

/** The first that answer. Each site that has workers of its own is waited for by those. */
function reach(memory: Memory, names: readonly string[]): Promise<readonly string[]> {
  const hosts = planOf(memory.state)!.hosts.filter((host) => names.includes(host.name));
  const parts = [...Map.groupBy(hosts, (host) => queueOf(host).taskQueue)];
  const [first, ...others] = parts.map(([taskQueue, some]) => answering(memory, some, taskQueue));
  return others.length === 0 ? first! : Promise.race([first!, ...others]);
}

function answering(
  { state }: Memory,
  hosts: readonly HostSpec[],
  taskQueue: string | undefined,
): Promise<readonly string[]> {
  const { facts, sealed: all } = state;
  const plan = planOf(state)!;
  const names = hosts.map(({ name }) => name);
  const way = bastionsTo(hosts, plan.bastions);
  const isAccess = isAccessTo(hosts, plan.bastions);
  const sealed = Object.entries({ ...all, ...fromWorkers(plan) }).filter(([secret]) => isAccess(secret));
  const activities = proxyActivities<{ 'hosts.await': AwaitHosts }>({
    // No id of its own: the next may be asked for before an attempt of this one has heard that it is not wanted.
    summary: clipped(`wait for an answer of ${names.join(', ')}`, 60),
    startToCloseTimeout: '2 minutes',
    scheduleToCloseTimeout: PATIENT,
    heartbeatTimeout: HEARTBEAT,
    retry: { initialInterval: '15 seconds', backoffCoefficient: 2, maximumInterval: '5 minutes' },
    ...(taskQueue !== undefined && { taskQueue }),
  });
  return activities['hosts.await']({
    hosts,
    ...way,
    facts: { ...waysIn(names, facts), ...keysOfBastions(facts, way.bastions) },
    sealed: Object.fromEntries(sealed),
  });
}

const planOf = ({ last, plans }: Pick<ClusterState, 'last' | 'plans'>) => last && plans?.[last.digest];
