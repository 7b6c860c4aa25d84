import type { HostSpec } from '../plan/plan.ts';
import { apart, type Guard, resized } from '../plan/policy.ts';
import type { Account } from './account.ts';
import { converged, failureOf } from './activity.ts';
import type { Bulletin } from './bulletin.ts';
import type { Conduct } from './conduct.ts';
import type { PlacedStage, RolloutInput } from './contract.ts';
import type { Sites } from './sites.ts';

/** What takes part in a rollout. */
export interface Course {
  readonly input: RolloutInput;
  readonly account: Account;
  readonly sites: Sites;
  readonly bulletin: Bulletin;
  readonly conduct: Conduct;
}

/**
 * Runs a segment of the sites: the waves of the policy one after another, and each in parts that leave the services that
 * the cluster gives enough hosts. Without either it is one wave of all.
 */
export async function runInWaves(course: Course, segment: number, stages: readonly PlacedStage[]): Promise<void> {
  const { input, account, sites, bulletin, conduct } = course;
  const all = input.plan.hosts.map(({ name }) => name);
  let left = input.plan.policy?.waves ?? [all];
  let size: number | undefined;
  for (let n = 0; left.length > 0 && account.stopped === undefined; n++) {
    if (conduct.batch !== size) {
      size = conduct.batch;
      left = recut(course, left, n, size!);
    }
    const [wave = [], ...others] = left;
    left = others;
    const isOne = n === 0 && left.length === 0;
    if (!isOne) {
      if (!sites.isBusy(stages, wave)) {
        await sites.run(`${segment}.${n + 1}`, stages, wave); // to note that nothing was to be done
        continue;
      }
      if (n > 0) await beforeWave(course);
      if (account.stopped !== undefined) break;
      bulletin.wave = { number: n + 1, of: n + 1 + left.length, hosts: wave };
      bulletin.become('rolling', `wave ${n + 1} of ${n + 1 + left.length}: ${titles(stages)}`);
    }
    const before = account.changed;
    await runInParts(course, isOne ? `${segment}` : `${segment}.${n + 1}`, stages, isOne ? all : wave);
    const soak = input.plan.policy?.soak;
    const follows = left.some((hosts) => sites.isBusy(stages, hosts));
    if (account.changed > before && soak !== undefined && follows && account.stopped === undefined)
      await conduct.soak(soak);
  }
  bulletin.wave = undefined;
}

/** Nobody follows the first wave before somebody has agreed, where that is the policy. */
async function beforeWave({ account, conduct }: Course): Promise<void> {
  await conduct.unpaused();
  if (account.changed > 0) await conduct.approved('rest');
}

/** A canary that has not gone yet stays one. */
function recut({ input }: Course, waves: readonly (readonly string[])[], n: number, size: number) {
  const sites = new Map(input.plan.hosts.map((host) => [host.name, host.site]));
  const [first, ...others] = waves;
  const isCanary = n === 0 && input.plan.policy?.canary === true && first !== undefined;
  const rest = resized(isCanary ? others : waves, (host) => sites.get(host) ?? '', size);
  return isCanary ? [first, ...rest] : rest;
}

async function runInParts(course: Course, id: string, stages: readonly PlacedStage[], wave: readonly string[]) {
  const { account, sites } = course;
  const guards = guardsOf(course, stages, wave);
  if (guards.length === 0) return await sites.run(id, stages, wave);
  const { parts, held } = apart(wave, guards);
  for (const [n, part] of parts.entries()) {
    if (account.stopped !== undefined) return;
    await sites.run(parts.length === 1 ? id : `${id}.${n + 1}`, stages, part);
    // Those that follow may be the last that still serve.
    const isLast = n === parts.length - 1 && held.length === 0;
    if (!isLast) await Promise.all(guards.map((guard) => allWell(course, guard, part)));
  }
  const [first] = held;
  const guard = guards.find(({ spare, hosts }) => spare < 1 && first !== undefined && hosts.includes(first));
  if (first === undefined || !guard || account.stopped !== undefined) return;
  const message = `${guard.stage.operation} on ${first}: ${guard.away.join(', ')} cannot be reached, so none of ${held.join(', ')} may be disturbed`;
  const hint = 'Bring back the hosts that are away, or leave out those that would be disturbed.';
  const failed = { type: 'GateClosed', message, hint, cancelled: false };
  account.fail(first, guard.stage, failed, { onFailure: 'pause', alone: true });
}

/** A check that tells how many of its hosts may be away, as it concerns hosts that are about to be disturbed. */
interface Watched extends Guard {
  readonly stage: PlacedStage;
  /** Hosts of it that are away already. */
  readonly away: readonly string[];
}

/** Only hosts that served when they were asked last can be disturbed, and only by work that is still to be done there. */
function guardsOf({ account, sites }: Course, stages: readonly PlacedStage[], wave: readonly string[]): Watched[] {
  const disturbing = stages.filter((stage) => stage.disrupts === true);
  const isDisturbed = (host: string) =>
    disturbing.some((stage) => stage.hosts.includes(host) && !account.isSettled(host, stage, account.changed > 0));
  const disturbed = wave.filter((host) => !account.parked.has(host) && isDisturbed(host));
  if (disturbed.length === 0) return [];
  return sites.stages().flatMap((stage) => {
    if (stage.spare === undefined) return [];
    const hosts = disturbed.filter((host) => account.saidYes(host, stage));
    const away = stage.hosts.filter((host) => account.parked.has(host));
    return hosts.length === 0 ? [] : [{ stage, hosts, away, spare: stage.spare - away.length }];
  });
}

/** Waits until those that were disturbed serve again. */
async function allWell(course: Course, { stage, hosts }: Watched, part: readonly string[]): Promise<void> {
  const { input, account, sites } = course;
  const done = input.plan.hosts.filter(({ name }) => part.includes(name) && hosts.includes(name));
  const going = done.filter(({ name }) => account.goes(name) && account.dirty.has(name));
  await Promise.all(going.map((host) => isWell(course, sites.input([stage]), stage, host)));
}

async function isWell(
  { account }: Course,
  ground: ReturnType<Sites['input']>,
  stage: PlacedStage,
  host: HostSpec,
): Promise<void> {
  const call = { host, type: 'host.gate', stages: [{ ...stage, id: `${stage.id}.gate` }] };
  const does = `wait for ${stage.operation}`;
  try {
    await converged(ground, account, { ...call, does, id: `${stage.operation} (gate)` });
  } catch (error) {
    const failed = failureOf(error, `gate ${stage.operation} on ${host.name}`);
    account.fail(host.name, stage, failed, { onFailure: 'pause', alone: true });
  }
}

const titles = (stages: readonly PlacedStage[]) => stages.map((stage) => stage.title).join(', ');
