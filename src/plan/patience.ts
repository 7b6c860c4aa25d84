import type { FailureType } from '../activities/contract.ts';

/**
 * How long to wait before each further attempt, by what went wrong, in milliseconds. Attempts at a step are counted by
 * class. What is not named here, such as a fault of this program, is not tried again.
 */
export const PATIENCE = {
  // Outlasts a reboot, or a link that is down for two minutes. A host that stays away longer is parked, and holds nobody up.
  Unreachable: [5_000, 15_000, 30_000, 60_000, 60_000],
  // Nothing mends a wrong password by itself, and each further attempt may be the one that locks the account.
  AuthenticationFailed: [],
  // Whether that is the host rebuilt or somebody in between, only a person can tell.
  HostKeyChanged: [],
  // Scripts wait for two minutes themselves. With that it is half an hour, which is what a large unattended upgrade takes.
  PackageManagerLocked: [15_000, 60_000, 120_000, 300_000, 600_000],
  // A mirror or a registry may stumble, and a host restart under a job. What fails three times in a row has a reason.
  CommandFailed: [5_000, 20_000],
  // A check has waited in full already, and so has a change for its state to settle: once more, for what was a moment late.
  NotConverged: [10_000],
  // What filled the disk may have been on its way through, such as a download. Otherwise somebody must make room.
  NoSpace: [60_000],
  // Whoever is to answer may be starting: an engine, a database. What cannot be asked must not be taken for "no".
  StateUnknown: [5_000, 20_000],
  // It was asked until its time was over. The next hosts may be the last that still serve, so that somebody should look.
  GateClosed: [],
} as const satisfies Readonly<Partial<Record<FailureType, readonly number[]>>>;

/** Of a verification, which tells what it sees: a link may break, and all else is what it was asked for. */
export const IMPATIENCE = { Unreachable: [5_000] } as const satisfies Readonly<
  Partial<Record<FailureType, readonly number[]>>
>;
