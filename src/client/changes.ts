import type { Plan, Stage } from '../plan/plan.ts';
import type { StepState } from '../workflows/contract.ts';
import { isOnOne, isOver, stepState, type View } from './view.ts';

/** A step that has come into another state. */
export interface StepChange {
  readonly host: string;
  readonly operation: string;
  readonly stage: string;
  readonly title: string;
  readonly state: StepState;
}

/** A cluster of many hosts would begin with thousands of lines that say nothing else. */
const QUEUED_LIMIT = 600;

/** Tells, view by view, which steps have come into another state. What needs no change is never told of. */
export class Changes {
  readonly #told = new Map<string, StepState>();
  readonly #parked = new Set<string>();
  readonly #quiet: boolean;

  constructor(plan: Plan) {
    this.#quiet = plan.stages.reduce((sum, stage) => sum + stage.hosts.length, 0) > QUEUED_LIMIT;
  }

  /** In the order of the plan. */
  next({ plan, progress }: Pick<View, 'plan' | 'progress'>): readonly StepChange[] {
    const all = plan.stages.flatMap((stage) =>
      stage.hosts.map((host) => ({ stage, host, state: stepState(progress.steps, stage, host) })),
    );
    // Before the survey is through nobody knows what there is to do. What it begins at once was queued as well.
    const queued =
      progress.state === 'surveying' || isOver(progress.state)
        ? []
        : all.filter(({ stage, host, state }) => this.#waits(stage, host, state));
    const moved = all.filter(({ stage, host, state }) => this.#isNews(stage, host, state));
    return [...queued.map((step) => change({ ...step, state: 'queued' })), ...moved.map(change)];
  }

  #waits(stage: Stage, host: string, state: StepState): boolean {
    const key = keyOf(stage, host);
    if (this.#told.has(key) || this.#quiet || isOnOne(stage) || state === 'unchanged' || state === 'skipped')
      return false;
    this.#told.set(key, 'queued');
    return true;
  }

  #isNews(stage: Stage, host: string, state: StepState): boolean {
    const key = keyOf(stage, host);
    const before = this.#told.get(key);
    if (state === 'queued' || before === state) return false;
    if ((state === 'unchanged' || state === 'skipped') && before === undefined) return false;
    this.#told.set(key, state);
    // A host that is parked is so with all that it had left to do: the first step of it tells.
    return state !== 'parked' || this.#parks(host);
  }

  #parks(host: string): boolean {
    const isNew = !this.#parked.has(host);
    this.#parked.add(host);
    return isNew;
  }
}

const keyOf = (stage: Stage, host: string) => `${stage.id} ${host}`;

function change({ stage, host, state }: { stage: Stage; host: string; state: StepState }): StepChange {
  return { host, operation: stage.operation, stage: stage.id, title: stage.title, state };
}

/** In the words of the article: `vm0 mongodb.start: Provisioning`. */
export function changeLine({ host, operation, state }: Pick<StepChange, 'host' | 'operation' | 'state'>): string {
  return `${host} ${operation}: ${state.charAt(0).toUpperCase()}${state.slice(1)}`;
}
