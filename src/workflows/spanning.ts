import { patched } from '@temporalio/workflow';
import type { Account } from './account.ts';
import { MANY } from './apart.ts';
import type { PlacedStage } from './contract.ts';
import { serves, silentAmong, type Watched, watchedBy } from './guards.ts';
import { Hosts } from './hosts.ts';
import type { Course } from './waves.ts';

/** Runs what spans the cluster: in the sites, where nothing has to be seen of one host before another goes and they are many. */
export async function runAcross(course: Course, segment: number, stages: readonly PlacedStage[]): Promise<void> {
  const isWide = stages.every((stage) => isTogether(stage) && stage.hosts.length > MANY);
  if (isWide && patched('wide-by-site')) await course.sites.run(segment, stages);
  else await runSpanning(course, stages);
}

function isTogether(stage: PlacedStage): boolean {
  if (stage.scope === 'host') return true;
  return stage.on === 'each' && stage.order === 'all' && stage.gate === undefined && stage.disrupts !== true;
}

/**
 * Its own gates see to it that the last member serves again before the next is disturbed; here
 * those are thought of that no step comes to: members beyond reach, and members that were not well before.
 */
async function runSpanning(course: Course, stages: readonly PlacedStage[]): Promise<void> {
  const { input, account, sites, conduct } = course;
  const ill = new Map<string, readonly string[]>();

  const mayDisturb = async (own: Account, stage: PlacedStage, wave: readonly string[]) => {
    for (const guard of watchedBy(sites.stages(), account, wave)) {
      const away = guard.check.hosts.filter((name) => own.parked.has(name) || account.parked.has(name));
      if ((guard.doubtful.length === 0 && away.length === 0) || !patched('spared-when-spanning')) continue;
      const silent = await silentOf(guard);
      const isMissing = (name: string) => !wave.includes(name) && own.stateOf(name, stage) !== 'done';
      if ([...away, ...silent].some(isMissing)) await allSpare(own, guard, silent);
    }
  };

  /** Asked once: whoever has been started since has passed the gate of that. */
  const silentOf = async (guard: Watched) => {
    const known = ill.get(guard.check.id);
    const silent = known ?? (await silentAmong(sites.input(sites.stages()), account, guard, guard.doubtful));
    ill.set(guard.check.id, silent);
    return silent;
  };

  /** A host that does not serve takes nothing away: it is the step that may heal it. */
  const allSpare = async (own: Account, guard: Watched, silent: readonly string[]) => {
    const serving = input.plan.hosts.filter(({ name }) => guard.hosts.includes(name) && !silent.includes(name));
    for (const host of serving) {
      const failed = await serves(sites.input(sites.stages()), account, guard, host, 'doubt');
      if (failed) own.fail(host.name, guard.check, failed, { onFailure: 'pause', alone: true });
    }
  };

  await conduct.span(new Hosts(sites.input(stages), mayDisturb));
}
