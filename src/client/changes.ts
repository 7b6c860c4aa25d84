import type { Plan, Stage } from '../plan/plan.ts';
import type { StepState } from '../workflows/contract.ts';
import { isOnOne, stepState, type View } from './view.ts';

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
  readonly #quiet: boolean;

  constructor(plan: Plan) {
    this.#quiet = plan.stages.reduce((sum, stage) => sum + stage.hosts.length, 0) > QUEUED_LIMIT;
  }

  /** In the order of the plan. */
  next({ plan, progress }: Pick<View, 'plan' | 'progress'>): readonly StepChange[] {
    // Before the survey is through nobody knows what there is to do.
    const surveyed = progress.state !== 'surveying';
    return plan.stages.flatMap((stage) =>
      stage.hosts
        .filter((host) => this.#isNews(stage, host, stepState(progress.steps, stage, host), surveyed))
        .map((host) => ({
          host,
          operation: stage.operation,
          stage: stage.id,
          title: stage.title,
          state: stepState(progress.steps, stage, host),
        })),
    );
  }

  #isNews(stage: Stage, host: string, state: StepState, surveyed: boolean): boolean {
    const key = `${stage.id} ${host}`;
    const before = this.#told.get(key);
    if (before === state) return false;
    if (state === 'queued' && (!surveyed || this.#quiet || isOnOne(stage) || before !== undefined)) return false;
    if ((state === 'unchanged' || state === 'skipped') && before === undefined) return false;
    this.#told.set(key, state);
    return true;
  }
}

/** In the words of the article: `vm0 mongodb.start: Provisioning`. */
export function changeLine({ host, operation, state }: Pick<StepChange, 'host' | 'operation' | 'state'>): string {
  return `${host} ${operation}: ${state.charAt(0).toUpperCase()}${state.slice(1)}`;
}
