import { sleep } from '@temporalio/workflow';
import { type HostSpec, waves } from '../plan/plan.ts';
import type { Account } from './account.ts';
import { clipped, failureOf, type Parting, settled, undone } from './activity.ts';
import type { PlacedStage, SiteInput } from './contract.ts';
import { keepersOf } from './copy.ts';

/**
 * Takes back what was changed, stage by stage in reverse and in the order of the stage.
 * One host that cannot be undone must not leave the others half done: what is left is returned, a line each.
 */
export async function undo(input: SiteInput, account: Account): Promise<readonly string[]> {
  const left: string[] = [];
  const gone = new Set<string>();
  for (const stage of input.stages.toReversed()) {
    const touched = input.hosts.filter((host) => account.wasTouched(host.name, stage));
    if (stage.irreversible !== undefined) {
      left.push(...touched.map((host) => `${stage.operation} on ${host.name}: ${stage.irreversible}`));
      continue;
    }
    for (const wave of wavesOf(stage, touched, account))
      await Promise.all(wave.map((host) => takeBack(input, account, stage, host, { left, gone })));
  }
  return left;
}

/**
 * Drops the receipts, which nobody is going to ask for any more, and leaves copies of the cluster where something has changed.
 * What cannot be reached keeps its receipts; they do no harm.
 */
export async function settle(input: SiteInput, account: Account, { copy, ...parting }: Parting = {}): Promise<void> {
  const touched = input.hosts.filter((host) => input.stages.some((stage) => account.wasTouched(host.name, stage)));
  const answering = input.hosts.filter((host) => !account.parked.has(host.name));
  const keepers = copy && touched.length > 0 ? keepersOf(answering) : new Set<HostSpec>();
  const visited = answering.filter((host) => touched.includes(host) || keepers.has(host));
  const leave = (host: HostSpec) => ({ ...parting, ...(copy && keepers.has(host) && { copy }) });
  await Promise.all(visited.map((host) => settled(input, account, host, leave(host)).catch(() => {})));
}

function wavesOf(stage: PlacedStage, hosts: readonly HostSpec[], { facts }: Account): readonly (readonly HostSpec[])[] {
  if (stage.scope === 'host') return [hosts];
  const names = hosts.map((host) => host.name);
  const inOrder = waves(stage.order, names, facts).toReversed();
  return inOrder.map((wave) => hosts.filter((host) => wave.includes(host.name)));
}

async function takeBack(
  input: SiteInput,
  account: Account,
  stage: PlacedStage,
  host: HostSpec,
  { left, gone }: { readonly left: string[]; readonly gone: Set<string> },
): Promise<void> {
  // The others have waited for it once.
  if (gone.has(host.name)) return void left.push(`undo of ${stage.operation} on ${host.name}: it does not answer`);
  const tried = new Map<string, number>();
  for (;;) {
    try {
      await undone(input, account, { host, stages: [stage], does: `undo: ${stage.title}` });
      return account.mark(host.name, stage, 'undone');
    } catch (error) {
      const { type, message, ended } = failureOf(error, `undo of ${stage.operation} on ${host.name}`);
      const nth = tried.get(type) ?? 0;
      tried.set(type, nth + 1);
      if (ended) account.raise(host.name, stage);
      const wait = input.patience[type]?.[nth];
      if (wait === undefined) {
        if (type === 'Unreachable') gone.add(host.name);
        return void left.push(message);
      }
      await sleep(wait, { summary: clipped(`${host.name}: undo ${stage.title}: again after ${type}`, 60) });
    }
  }
}
