/** Exit codes, as the help tells them. */
export const EXIT = {
  ok: 0,
  /** The rollout, the verification or another wish failed or was refused. */
  failed: 1,
  /** The input is wrong. Nothing was touched. */
  badInput: 2,
  /** Temporal, or a worker, could not be reached or started. */
  unreachable: 3,
  /** Hosts are not as they were rolled out. */
  drift: 4,
  interrupted: 130,
} as const;

/** Something that the user can do something about: what is wrong, where, and what to do next. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly hint: string | undefined;
  readonly details: readonly string[];
  readonly exitCode: number;

  constructor(
    message: string,
    {
      hint,
      details = [],
      exitCode = EXIT.failed,
      cause,
    }: { hint?: string; details?: readonly string[]; exitCode?: number; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? {} : { cause });
    this.hint = hint;
    this.details = details;
    this.exitCode = exitCode;
  }
}
