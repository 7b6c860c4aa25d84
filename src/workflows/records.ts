export interface Note {
  readonly by?: string;
  readonly reason?: string;
}

export interface Problem {
  readonly host: string;
  /** Missing for what is not about one step, such as an unreachable host. */
  readonly stage?: string;
  readonly type: string;
  /** One line: `mongodb.initiate on vm0: exit code 1: …`. */
  readonly message: string;
  readonly log?: string;
  readonly hint?: string;
  /** The key that a host showed in place of the one that is known of it. */
  readonly shownKey?: string;
}

export interface ClusterEvent {
  /** ISO 8601. */
  readonly at: string;
  readonly by?: string;
  readonly what: string;
}

/** That a cluster was taken away. */
export interface Destroyed {
  /** ISO 8601. */
  readonly at: string;
  readonly by: string;
  /** Its data was erased. */
  readonly data?: true;
  /** Hosts that were not given up: another destroy takes them along. */
  readonly left?: readonly string[];
}

/** Why an apply is refused: make the plan anew, or wait for (or end) the rollout that runs. */
export type Refusal =
  | 'PlanOutdated'
  | 'RolloutRunning'
  | 'InvalidRequest'
  | 'Moved'
  | 'ClusterKnown'
  | 'HostsMissing'
  | 'Sealed';
