import type { Command, Output } from './command.ts';
import type { Share } from './limits.ts';

/** How to reach a machine and who to be there. Secrets are values here: it never leaves the worker's memory. */
export interface Target {
  readonly name: string;
  /** It only leads to others. */
  readonly bastion?: true;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly privateKey?: string;
  readonly passphrase?: string;
  /** The keys of the pool's ssh agent may let us in. */
  readonly agent?: true;
  /** How to become root there, where it is not by sudo. */
  readonly become?: 'doas';
  /** For `sudo`; without it the login password is tried. Never sent where sudo does not ask. */
  readonly sudoPassword?: string;
  /** `SHA256:…` of the key that the machine must show. Without it the first one is taken and reported. */
  readonly hostKey?: string;
  /** The bastion that leads there. */
  readonly via?: Target;
  /** What its connections share with those to other machines. */
  readonly shares?: readonly Share[];
}

/** Values of the variables that a command uses, by shell variable name. */
export type Values = Readonly<Record<string, string>>;

/** A change to carry out at most once. */
export interface Job {
  /** 32 hexadecimal digits. The same key follows the job that is there instead of starting another. */
  readonly key: string;
  /** Missing: one that is there is followed; where there is none, JobLost. */
  readonly script?: Command;
  readonly values: Values;
  /** Rises with every rollout and attempt: a job that holds a lower one than the host has seen is refused. */
  readonly fence: number;
  /** First execution run id of its rollout. What it leaves on the host goes when that is settled. */
  readonly rollout?: string;
  /** Milliseconds until the host itself ends the script. */
  readonly timeout: number;
}

/** What a caller may watch and end. */
export interface Watch {
  /** Where in the job's log to begin, in bytes. */
  readonly offset?: number;
  /** Each piece of the log, with the offset after it. */
  readonly onLog?: (chunk: Buffer, offset: number) => void;
  /** Called every few seconds while the job runs, silent or not. */
  readonly onAlive?: () => void;
  /** Ends the remote process and rejects. */
  readonly cancel?: AbortSignal;
  /** Lets go of the job, which runs on; rejects. For a worker that shuts down. */
  readonly detach?: AbortSignal;
}

/** How long to wait for answers, in milliseconds. */
export interface AskOptions {
  /** For all of them. Default 120 s. */
  readonly timeout?: number;
  /** For each question, or what hangs would keep the others from being asked; after the first that hangs, a quarter of it. Default 50 s. */
  readonly limit?: number;
  readonly cancel?: AbortSignal;
}

/** A connection to a machine. Rejects only when there is no answer: an exit status is an answer. */
export interface Host {
  /** `SHA256:…` of the key that the machine showed. */
  readonly hostKey: string;
  /** name → `SHA256:…` of the keys that the bastions on the way have shown. */
  readonly bastionKeys?: Readonly<Record<string, string>>;
  /** Asks everything in one round trip, as root. Read-only by convention. What is not answered in time has exit code 137. */
  ask(questions: readonly Command[], values: Values, options?: AskOptions): Promise<readonly Output[]>;
  /** Changes the host, as a remote job. stdout of the output is the end of the log (both streams). */
  run(job: Job, watch?: Watch): Promise<Output>;
}

/**
 * Gives a pooled connection, or rejects with an error of `errors.ts`; with Crowded, if it did not come to its turn. Until
 * `during` is aborted it is not closed for the sake of those who wait for theirs.
 */
export type Connect = (target: Target, during?: AbortSignal) => Promise<Host>;
