import { patched } from '@temporalio/workflow';
import type { Account } from './account.ts';
import type { PlacedStage } from './contract.ts';
import { serves, silentAmong, type Watched, watchedBy } from './guards.ts';
import { Hosts } from './hosts.ts';
import type { Course } from './waves.ts';

/**
 * Runs what spans the cluster. Its own gates see to it that the last member serves again before the next is disturbed; here
 * those are thought of that no step comes to: members beyond reach, and members that were not well before.
 */
export async function runSpanning(course: Course, stages: readonly PlacedStage[]): Promise<void> {
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
