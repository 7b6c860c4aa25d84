import { apart, resized } from '../plan/policy.ts';
import type { Account } from './account.ts';
import type { Bulletin } from './bulletin.ts';
import type { Conduct } from './conduct.ts';
import type { PlacedStage, RolloutInput } from './contract.ts';
import { serves, silentAmong, type Watched, watchedBy } from './guards.ts';
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
    if (n > 0 && sites.isBusy(stages, left[0])) await beforeWave(course);
    if (conduct.batch !== size) {
      size = conduct.batch;
      left = recut(course, left, n, size!);
    }
    const [wave = [], ...others] = left;
    left = others;
    const isOne = n === 0 && left.length === 0;
    if (account.stopped !== undefined) break;
    if (!isOne && !sites.isBusy(stages, wave)) {
      await sites.run(`${segment}.${n + 1}`, stages, wave); // to note that nothing was to be done
      continue;
    }
    if (!isOne) {
      bulletin.wave = { number: n + 1, of: n + 1 + left.length, hosts: wave };
      bulletin.become('rolling', `wave ${n + 1} of ${n + 1 + left.length}: ${titles(stages)}`);
    }
    const before = account.changed;
    await runInParts(course, isOne ? `${segment}` : `${segment}.${n + 1}`, stages, isOne ? all : wave);
    if (account.changed > before && left.some((hosts) => sites.isBusy(stages, hosts))) await afterWave(course, wave);
  }
  if (account.stopped === undefined) bulletin.wave = undefined; // otherwise somebody may want to take just that one back
}

/** Nobody follows the first wave before somebody has agreed, where that is the policy. */
async function beforeWave({ account, conduct }: Course): Promise<void> {
  await conduct.unpaused();
  if (account.changed > 0) await conduct.approved('rest');
}

/** What a wave has changed has time to show what it does, and its services must be well before others follow. */
async function afterWave(course: Course, wave: readonly string[]): Promise<void> {
  const { input, account, sites, conduct } = course;
  const soak = input.plan.policy?.soak;
  if (soak !== undefined && account.stopped === undefined) await conduct.soak(soak);
  // Of a host that did not serve before nobody can say when it will: what it still needs may come in a later segment.
  const changed = wave.filter((host) => account.dirty.has(host));
  const watched = watchedBy(sites.stages(), account, wave);
  const isSure = ({ doubtful }: Watched, host: string) => !doubtful.includes(host);
  await Promise.all(
    watched.map((guard) =>
      allServe(
        course,
        guard,
        changed.filter((host) => isSure(guard, host)),
      ),
    ),
  );
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
  const found = watchedBy(sites.stages(), account, disturbed(course, stages, wave));
  if (found.length === 0) return await sites.run(id, stages, wave);
  const watched = await Promise.all(found.map((guard) => amongServing(course, guard)));
  const { parts } = apart(wave, watched);
  for (const [n, part] of parts.entries()) {
    if (account.stopped !== undefined) return;
    await sites.run(parts.length === 1 ? id : `${id}.${n + 1}`, stages, part);
    // Those that follow may be the last that still serve.
    const changed = part.filter((host) => account.dirty.has(host));
    if (n < parts.length - 1) await Promise.all(watched.map((guard) => allServe(course, guard, changed)));
  }
}

/** A host that does not serve takes nothing away. Where one does not, or is beyond reach, those that serve must say that they can do without. */
async function amongServing(course: Course, guard: Watched): Promise<Watched> {
  const { account, sites } = course;
  const silent = await silentAmong(sites.input(sites.stages()), account, guard, guard.doubtful);
  const serving = { ...guard, hosts: guard.hosts.filter((host) => !silent.includes(host)) };
  const sure = serving.hosts.filter((host) => !guard.doubtful.includes(host));
  if (silent.length > 0 || !guard.isWhole) await allServe(course, serving, sure, 'doubt');
  return serving;
}

/** Hosts on which something is still to be done that may interrupt what serves there. */
function disturbed({ account }: Course, stages: readonly PlacedStage[], wave: readonly string[]): readonly string[] {
  const disturbing = stages.filter((stage) => stage.disrupts === true);
  const isDue = (host: string) =>
    disturbing.some((stage) => stage.hosts.includes(host) && !account.isSettled(host, stage, account.changed > 0));
  return wave.filter((host) => !account.parked.has(host) && isDue(host));
}

/** Waits until those of the hosts that belong to a service serve. */
async function allServe(course: Course, guard: Watched, asked: readonly string[], limit?: 'doubt'): Promise<void> {
  const { input, account, sites } = course;
  const { check, hosts } = guard;
  const own = asked.filter((name) => hosts.includes(name) && account.goes(name));
  const going = input.plan.hosts.filter(({ name }) => own.includes(name));
  const ground = sites.input(sites.stages());
  await Promise.all(
    going.map(async (host) => {
      const failed = await serves(ground, account, guard, host, limit);
      if (failed) account.fail(host.name, check, failed, { onFailure: 'pause', alone: true });
    }),
  );
}

const titles = (stages: readonly PlacedStage[]) => stages.map((stage) => stage.title).join(', ');
