import type { HostSpec, Policy } from './plan.ts';

/** A whole number, or a percentage in whole numbers such as `25%`. */
export type Amount = number | string;

/** What a spec says of how a rollout goes about its hosts. Times in milliseconds. */
export type Pace = Pick<Policy, 'soak' | 'approval' | 'windows'> & {
  /** Of all hosts. */
  readonly canary?: Amount;
  /** Of each site's hosts, and of the sites, at a time. Missing: all. */
  readonly waves?: { readonly perSite?: Amount; readonly sites?: Amount };
};

/** Hosts of which at most `spare` may be away at once. Less than 1: none may. */
export interface Guard {
  readonly hosts: readonly string[];
  readonly spare: number;
}

type Placed = Pick<HostSpec, 'name' | 'site'>;
type Waves = readonly (readonly string[])[];

const ALL: Amount = '100%';

/** How many of `total` an amount is. Percentages are rounded down, yet 1 is the least that is not nothing. */
export function amountOf(amount: Amount, total: number): number {
  if (typeof amount === 'number') return amount;
  const percent = Number.parseInt(amount, 10);
  return percent === 0 ? 0 : Math.max(1, Math.floor((total * percent) / 100));
}

/** The policy of a plan for these hosts, which stand in the order of the cluster file. None where nothing was said. */
export function policyOf(pace: Pace, hosts: readonly Placed[]): Policy | undefined {
  const { canary, waves, soak, approval, windows } = pace;
  const cut = canary === undefined && waves === undefined ? undefined : cutting(hosts, canary ?? 0, waves ?? {});
  const policy: Policy = {
    ...(cut && { waves: cut }),
    ...(canary !== undefined && { canary: true }),
    ...(cut && soak !== undefined && { soak }),
    ...(approval && { approval }),
    ...(windows && Object.keys(windows).length > 0 && { windows }),
  };
  return Object.keys(policy).length > 0 ? policy : undefined;
}

/**
 * Splits hosts into parts that may go one after another: in each, at most `spare` hosts of each guarded group are
 * touched. Parts are as early as they can be and keep the order given; hosts that nobody guards are in the first.
 * `held` are those that cannot go at all, because a group of theirs has nothing to spare.
 */
export function apart(
  hosts: readonly string[],
  guards: readonly Guard[],
): { readonly parts: Waves; readonly held: readonly string[] } {
  const parts: { readonly hosts: string[]; readonly touched: Map<Guard, number> }[] = [];
  const held: string[] = [];
  for (const host of hosts) {
    const own = guards.filter((guard) => guard.hosts.includes(host));
    if (own.some(({ spare }) => spare < 1)) {
      held.push(host);
      continue;
    }
    const hasRoom = ({ touched }: (typeof parts)[number]) =>
      own.every((guard) => (touched.get(guard) ?? 0) + 1 <= guard.spare);
    const part = parts.find(hasRoom) ?? { hosts: [], touched: new Map<Guard, number>() };
    if (part.hosts.length === 0) parts.push(part);
    part.hosts.push(host);
    for (const guard of own) part.touched.set(guard, (part.touched.get(guard) ?? 0) + 1);
  }
  return { parts: parts.map((part) => part.hosts), held };
}

/**
 * What is left of waves, cut anew: at most `size` (at least 1) hosts of a site go at a time. Sites that went one after
 * another go on doing so. A canary that has not gone yet must not be among them: it would be merged with what follows it.
 */
export function resized(waves: Waves, siteOf: (host: string) => string, size: number): Waves {
  const together: { readonly hosts: string[]; readonly sites: Set<string> }[] = [];
  for (const wave of waves) {
    const last = together.at(-1);
    // Waves of the same sites follow each other, and have no site in common with those of others.
    const same = last && wave.some((host) => last.sites.has(siteOf(host))) ? last : undefined;
    const group = same ?? { hosts: [], sites: new Set<string>() };
    if (!same) together.push(group);
    group.hosts.push(...wave);
    for (const host of wave) group.sites.add(siteOf(host));
  }
  return together.flatMap(({ hosts }) => turns(hosts, siteOf, () => size));
}

/** The canary, if there is one, and the waves in which the others follow. */
function cutting(hosts: readonly Placed[], canary: Amount, { perSite = ALL, sites = ALL }: NonNullable<Pace['waves']>) {
  const members = Map.groupBy(hosts, ({ site }) => site);
  const siteOf = new Map(hosts.map(({ name, site }) => [name, site]));
  const first = spread([...members.values()], amountOf(canary, hosts.length));
  const [ahead, rest] = [hosts.filter((host) => first.has(host)), hosts.filter((host) => !first.has(host))];
  const names = [...new Set(rest.map(({ site }) => site))];
  const waves = chunks(names, amountOf(sites, members.size)).flatMap((some) =>
    turns(
      rest.filter(({ site }) => some.includes(site)).map(({ name }) => name),
      (host) => siteOf.get(host)!,
      (site) => amountOf(perSite, members.get(site)!.length),
    ),
  );
  return ahead.length > 0 ? [ahead.map(({ name }) => name), ...waves] : waves;
}

/** So many hosts, of as many sites as there are: the first of every site, then the second. */
function spread(sites: readonly (readonly Placed[])[], count: number): ReadonlySet<Placed> {
  const rounds = Math.max(...sites.map(({ length }) => length));
  const inTurn = Array.from({ length: rounds }, (_, n) => sites.flatMap((site) => site[n] ?? []));
  return new Set(inTurn.flat().slice(0, count));
}

/** Hosts in waves of so many a site. Each wave keeps the order given. */
function turns(
  hosts: readonly string[],
  siteOf: (host: string) => string,
  sizeOf: (site: string) => number,
): readonly string[][] {
  const before = new Map<string, number>();
  const waves: string[][] = [];
  for (const host of hosts) {
    const site = siteOf(host);
    const nth = before.get(site) ?? 0;
    before.set(site, nth + 1);
    (waves[Math.floor(nth / sizeOf(site))] ??= []).push(host);
  }
  return waves;
}

function chunks<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size));
}
