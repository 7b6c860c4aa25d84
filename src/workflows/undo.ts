import { patched, sleep } from '@temporalio/workflow';
import { type HostSpec, RELEASED, roleOf, waves } from '../plan/plan.ts';
import { apart } from '../plan/policy.ts';
import type { Account } from './account.ts';
import { clipped, type Failed, failureOf, type Parting, undone } from './activity.ts';
import { letGoApart, MANY, takeBackApart } from './apart.ts';
import type { PlacedStage, SiteInput, Undone } from './contract.ts';
import { keepersOf } from './copy.ts';
import { serves, silentAmong, type Watched, watchedBack } from './guards.ts';
import { Patience } from './patience.ts';
import type { Sites } from './sites.ts';
import { letGo } from './together.ts';

/**
 * Takes back what was changed, stage by stage in reverse, in the order of the stage and under the gates of the way forward.
 * One host that cannot be undone must not leave the others half done: what is left is returned, a line each.
 */
export async function undo(input: SiteInput, account: Account, sites: Sites): Promise<readonly string[]> {
  const left: string[] = [];
  const gone = new Set<string>();
  /** Hosts that are left as they are, since the services of the cluster could not spare them. */
  const held = new Set<string>();
  for (const stage of input.stages.toReversed()) {
    const touched = input.hosts.filter((host) => account.wasTouched(host.name, stage) && !held.has(host.name));
    if (stage.irreversible !== undefined) {
      left.push(...touched.map((host) => `${stage.operation} on ${host.name}: ${stage.irreversible}`));
      continue;
    }
    const { parts, serving } = await wavesOf(input, account, stage, touched);
    for (const [n, wave] of parts.entries()) {
      if (wave.length > MANY && patched('undone-by-site')) {
        const done = await takeBackApart(sites, stage, wave, gone);
        for (const part of done) takeOver(part, account, { left, gone });
      } else await Promise.all(wave.map((host) => takeBack(input, account, stage, host, { left, gone })));
      const others = parts.slice(n + 1).flat();
      const failed = others.length === 0 ? undefined : await unserved(input, account, serving, wave);
      if (!failed) continue;
      hold(stage, others, failed.message, { left, held });
      break;
    }
  }
  return left;
}

/**
 * Drops the receipts, which nobody is going to ask for any more, and leaves copies of the cluster where something has changed.
 * What cannot be reached keeps its receipts; they do no harm.
 */
export async function settle(
  input: SiteInput,
  account: Account,
  sites: Sites,
  { copy, ...parting }: Parting = {},
): Promise<void> {
  const touched = input.hosts.filter((host) => input.stages.some((stage) => account.wasTouched(host.name, stage)));
  // On a host that is nobody's any more there is nothing to settle, and nothing to be left.
  const given = input.stages.filter(({ operation }) => operation === RELEASED);
  const isGiven = ({ name }: HostSpec) =>
    given.some((stage) => ['done', 'unchanged'].includes(account.stateOf(name, stage) ?? ''));
  const answering = input.hosts.filter((host) => !account.parked.has(host.name) && !isGiven(host));
  const keepers = copy && touched.length > 0 ? keepersOf(answering) : new Set<HostSpec>();
  const visited = answering.filter((host) => touched.includes(host) || keepers.has(host));
  const leave = (host: HostSpec) => ({ ...parting, ...(copy && keepers.has(host) && { copy }) });
  const isWide = visited.length > MANY && patched('settled-by-site');
  const isKeeper = (host: HostSpec) => keepers.has(host);
  await Promise.all([
    letGo(input, account, isWide ? visited.filter(isKeeper) : visited, leave),
    ...(isWide
      ? [
          letGoApart(
            sites,
            visited.filter((host) => !isKeeper(host)),
            parting,
          ),
        ]
      : []),
  ]);
}

interface Turns {
  readonly parts: readonly (readonly HostSpec[])[];
  readonly serving: readonly Watched[];
}

/** The hosts of a stage in the turns in which they are taken back: those that do not serve first, since they take nothing away. */
async function wavesOf(
  input: SiteInput,
  account: Account,
  stage: PlacedStage,
  hosts: readonly HostSpec[],
): Promise<Turns> {
  const order = stage.scope === 'host' ? 'all' : stage.order;
  const inOrder = waves(order, names(hosts), account.facts).toReversed();
  const named = (some: readonly string[]) => hosts.filter((host) => some.includes(host.name));
  const watched = watching(input, account, stage, hosts);
  // Waves of nobody too: a replay of what began before there were guards counts them.
  if (watched.length === 0) return { parts: inOrder.map(named), serving: [] };
  const asked = watched.map((guard) => silentAmong(input, account, guard, guard.hosts));
  const silent = new Set((await Promise.all(asked)).flat());
  const rest = inOrder.map((wave) => wave.filter((host) => !silent.has(host)));
  const parts = [[...silent], ...rest.flatMap((wave) => apart(wave, watched).parts)].map(named);
  return { parts: parts.filter((part) => part.length > 0), serving: watched };
}

/** What could be interrupted by taking back a stage: all services by one that disturbs hosts, those of its own role by one with a gate. */
function watching(
  { stages }: SiteInput,
  account: Account,
  stage: PlacedStage,
  touched: readonly HostSpec[],
): readonly Watched[] {
  const isGated = stage.scope !== 'host' && stage.gate !== undefined;
  const checks = stages.filter(
    (check) => stage.disrupts || (isGated && roleOf(check.operation) === roleOf(stage.operation)),
  );
  return watchedBack(checks, account, names(touched));
}

/** Why the next ones must not be touched: one that was taken back does not serve again. */
async function unserved(
  input: SiteInput,
  account: Account,
  watched: readonly Watched[],
  wave: readonly HostSpec[],
): Promise<Failed | undefined> {
  const asked = watched.flatMap((guard) =>
    wave.filter(({ name }) => guard.hosts.includes(name)).map((host) => serves(input, account, guard, host)),
  );
  return (await Promise.all(asked)).find((failed) => failed !== undefined);
}

function hold(
  stage: PlacedStage,
  hosts: readonly HostSpec[],
  why: string,
  { left, held }: { readonly left: string[]; readonly held: Set<string> },
): void {
  for (const { name } of hosts) {
    held.add(name);
    left.push(`undo of ${stage.operation} on ${name}, and of what came before it there: ${why}`);
  }
}

const names = (hosts: readonly HostSpec[]) => hosts.map(({ name }) => name);

/** What could not be taken back, a line each, and the hosts that do not answer. */
interface Notes {
  readonly left: string[];
  readonly gone: Set<string>;
}

/** What a site has come to. */
function takeOver(part: Undone, account: Account, { left, gone }: Notes): void {
  const { steps, generations, facts } = part;
  account.add({ steps, generations, ...(facts && { facts }) });
  left.push(...part.left);
  for (const host of part.gone) gone.add(host);
}

export async function takeBack(
  input: SiteInput,
  account: Account,
  stage: PlacedStage,
  host: HostSpec,
  { left, gone }: Notes,
): Promise<void> {
  // The others have waited for it once.
  if (gone.has(host.name)) return void left.push(`undo of ${stage.operation} on ${host.name}: it does not answer`);
  const patience = new Patience(input.patience);
  for (;;) {
    try {
      const [result] = await undone(input, account, { host, stages: [stage], does: `undo: ${stage.title}` });
      account.publish(host.name, result?.facts);
      return account.mark(host.name, stage, 'undone');
    } catch (error) {
      const { type, message, ended } = failureOf(error, `undo of ${stage.operation} on ${host.name}`);
      if (ended) account.raise(host.name, stage);
      const wait = patience.next(type);
      if (wait === undefined) {
        if (type === 'Unreachable') gone.add(host.name);
        return void left.push(message);
      }
      await sleep(wait, { summary: clipped(`${host.name}: undo ${stage.title}: again after ${type}`, 60) });
    }
  }
}
