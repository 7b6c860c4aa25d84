import type { Result } from './contract.ts';

/** What the reader of a failure can do about it. */
export type FailureType =
  | 'Unreachable'
  | 'AuthenticationFailed'
  | 'HostKeyChanged'
  | 'BastionKeyChanged'
  | 'PackageManagerLocked'
  | 'CommandFailed'
  | 'NotConverged'
  | 'NoSpace'
  | 'StateUnknown'
  | 'GateClosed'
  | 'UnknownOperation'
  | 'InvalidArguments'
  | 'Superseded'
  | 'Owned'
  | 'Unexpected';

/** First detail of every classified failure. */
export interface FailureDetail {
  /** Results of the steps before the one that failed. */
  readonly results: readonly Result[];
  /** How many steps after the one that failed may have begun as well, since they were in one job. Missing: none. */
  readonly begun?: number;
  /** The last 40 lines of the remote log, control characters escaped. */
  readonly log?: string;
  /** What to do about it. */
  readonly hint?: string;
  /** The key that the host showed in place of the one that is known of it. */
  readonly shownKey?: string;
  /** What was learnt of the host by it. */
  readonly facts?: Readonly<Record<string, string>>;
  /** What ran on the host has ended for good: another attempt needs a raised generation, or it would be shown this end again. */
  readonly ended?: true;
}

/** Why one of several hosts has no answer. */
export interface Refused {
  readonly type: string;
  readonly message: string;
  readonly detail: FailureDetail;
}
