import { ApplicationFailure } from '@temporalio/common';
import { ACCESS_KEY, ACCESS_SUDO } from '../plan/access-key.ts';
import { type Bastions, type Facts, HOST_KEY_OTHER, type HostSpec } from '../plan/plan.ts';
import type { Output } from '../ssh/command.ts';
import { AuthenticationFailed, HostKeyChanged, isLoss, SshError, SudoRefused } from '../ssh/errors.ts';
import type { Connect, Host, Target } from '../ssh/host.ts';
import type { FailureDetail } from './contract.ts';
import { failure } from './failures.ts';
import type { Secrets } from './secrets.ts';

/** A host that has let us in. */
export interface Reached {
  readonly connection: Host;
  readonly target: Target;
  /** Name of the cluster's key that it has let us in by. Missing: by what was given. */
  readonly key?: string;
}

/** What it takes to reach a host. */
export interface Way {
  readonly connect: Connect;
  readonly secrets: Secrets;
  readonly host: HostSpec;
  readonly facts: Facts;
  readonly bastions?: Bastions | undefined;
  /** As `connect` takes it. */
  readonly during?: AbortSignal;
}

/**
 * Logs in to a host: with the key of the cluster that it is known to take, else with what was given. Where neither does, the
 * cluster's other keys are tried: a worker may have been lost between a change of keys and its word of it. Rejects as
 * `connect` does, or with AuthenticationFailed where nothing is taken.
 */
export async function reach({ connect, secrets, host, facts, bastions, during }: Way): Promise<Reached> {
  const isKnown = (facts[ACCESS_KEY]?.[host.name] ?? '') !== '';
  const given = { target: () => secrets.target(host, facts, bastions) };
  const keyed = (key: string) => ({ key, target: () => secrets.keyed(host, facts, { key, bastions }) });
  const keys = secrets.keys(host, facts).map(keyed);
  const refusals: unknown[] = [];
  for (const { target: made, ...by } of isKnown ? [...keys, given] : [given, ...keys]) {
    try {
      const target = await made();
      return { connection: await connect(target, during), target, ...by };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refusals.push(error);
    }
  }
  throw keys.length === 0 && !isKnown ? refusals[0] : shutOut(host, isKnown ? refusals.at(-1) : refusals[0]);
}

/** Reaches a host whose key is being changed by either of the two. One that the spec names is the only one that counts. */
export function byEitherKey(connect: Connect, { name, hostKey }: HostSpec, facts: Facts): Connect {
  const other = facts[HOST_KEY_OTHER]?.[name] ?? '';
  if (hostKey !== undefined || other === '') return connect;
  return async (target, during) => {
    try {
      return await connect(target, during);
    } catch (error) {
      if (!(error instanceof HostKeyChanged)) throw error;
      return await connect({ ...target, hostKey: other }, during).catch((again: unknown) => {
        throw again instanceof HostKeyChanged ? error : again;
      });
    }
  };
}

/** Connects to a host that must show the key which is named there. What is wrong with that is an answer, as is no answer. */
export async function trySight(connect: Connect, target: Target): Promise<Output> {
  try {
    const { hostKey } = await connect(target);
    return { exitCode: 0, stdout: hostKey, stderr: '' };
  } catch (error) {
    if (!(error instanceof HostKeyChanged) && !isLoss(error)) throw error;
    return { exitCode: 1, stdout: '', stderr: error.message };
  }
}

/** Tries a key and nothing else, unless sudo asks. What is not an answer, such as a host that is away, is thrown. */
export async function tryKey({ connect, secrets, host, facts, bastions }: Way, key: string): Promise<Output> {
  const keyed = (sudo: boolean) => secrets.keyed(host, facts, { key, bastions, sudo });
  const enter = async (target: Target) => (await connect(target)).ask([{ text: ':' }], {});
  try {
    await enter(await keyed(false));
    return { exitCode: 0, stdout: '', stderr: '' };
  } catch (error) {
    if (error instanceof SudoRefused && host.become !== 'doas') return withPassword(() => keyed(true), enter);
    return refusalOf(error);
  }
}

async function withPassword(target: () => Promise<Target>, enter: (target: Target) => Promise<unknown>) {
  try {
    await enter(await target());
    return { exitCode: 0, stdout: 'asks', stderr: '' };
  } catch (error) {
    return refusalOf(error);
  }
}

/** What is learnt of a host where sudo asks for a password that was not needed so far. */
export function learntBy(error: unknown, by: Reached | undefined): Pick<FailureDetail, 'facts'> {
  const isSudo = error instanceof SudoRefused && by?.target.become !== 'doas';
  return isSudo && by?.key !== undefined ? { facts: { [ACCESS_SUDO]: 'asks' } } : {};
}

function refusalOf(error: unknown): Output {
  if (!isRefusal(error) && !(error instanceof SudoRefused)) throw error;
  return { exitCode: 1, stdout: '', stderr: (error as Error).message };
}

/** Nothing of what we have is taken by the host, or it was not given. What a bastion does not take says nothing of the host. */
function isRefusal(error: unknown): boolean {
  if (error instanceof ApplicationFailure) return error.type === 'AuthenticationFailed';
  return error instanceof AuthenticationFailed && !(error instanceof SudoRefused) && error.place.bastion !== true;
}

/** The host is known to have no key of the cluster from then on: whoever applies next is asked for what was given at first. */
function shutOut({ name }: HostSpec, given: unknown): ApplicationFailure {
  const why = given instanceof Error ? given.message : String(given);
  const hint = given instanceof SshError ? given.hint : (given as { details?: FailureDetail[] }).details?.[0]?.hint;
  return failure('AuthenticationFailed', `${name} does not take the key of the cluster, and ${why}`, {
    ...(hint !== undefined && { hint }),
    facts: { [ACCESS_KEY]: '' },
  });
}
