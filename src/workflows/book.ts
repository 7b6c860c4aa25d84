import type { Stage } from '../plan/plan.ts';
import type { Ledger, StepState } from './contract.ts';
import { fromPlaces, PerStep, toPlaces } from './per-step.ts';

type Kept = Pick<Ledger, 'settled' | 'touched' | 'steps' | 'generations'>;

/** What is kept of every step of a rollout, or of one site of it. */
export class Book {
  readonly settled: PerStep<true>;
  readonly touched: PerStep<true>;
  readonly states: PerStep<StepState>;
  readonly generations: PerStep<number>;

  constructor({ settled, touched, steps, generations }: Kept) {
    this.settled = new PerStep(fromPlaces(settled));
    this.touched = new PerStep(fromPlaces(touched));
    this.states = new PerStep(steps);
    this.generations = new PerStep(generations);
  }

  /** Takes over what a site has come to. */
  add({ settled, touched, steps, generations }: Partial<Kept>): void {
    this.settled.add(fromPlaces(settled ?? {}));
    this.touched.add(fromPlaces(touched ?? {}));
    this.states.add(steps ?? {});
    this.generations.add(generations ?? {});
  }

  /** As far as it is about some stages on some hosts, for whom nothing is to be undone yet. */
  part(hosts: ReadonlySet<string>, stages: readonly Pick<Stage, 'id'>[]): Kept {
    const ids = stages.map(({ id }) => id);
    return {
      settled: toPlaces(this.settled.part(ids, hosts)),
      touched: {},
      steps: this.states.part(ids, hosts).toRecord(),
      generations: this.generations.part(ids, hosts).toRecord(),
    };
  }

  /** How many steps have changed something. */
  get changed(): number {
    return this.states.count('done');
  }

  toJSON(): Kept {
    return {
      settled: toPlaces(this.settled),
      touched: toPlaces(this.touched),
      steps: this.states.toRecord(),
      generations: this.generations.toRecord(),
    };
  }
}
