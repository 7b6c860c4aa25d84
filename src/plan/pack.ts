import { type Json, namedArguments, type Plan, type Stage } from './plan.ts';

type Lean<Whole> = Whole extends unknown
  ? Omit<Whole, 'hosts'> & {
      /** Missing: all hosts of the plan. */
      readonly hosts?: readonly string[];
      /** Arguments that stand in `shared`, by their places there. */
      readonly same?: Readonly<Record<string, number>>;
    }
  : never;

/** A plan as it travels and stands in histories: what is long is said once. A plan that says everything is one too. */
type PackedPlan = Omit<Plan, 'stages'> & {
  readonly stages: readonly Lean<Stage>[];
  readonly shared?: readonly Json[];
};

/** A message with its plan packed. */
export type Packed<Message extends { readonly plan: Plan }> = Omit<Message, 'plan'> & { readonly plan: PackedPlan };

/** Shorter values cost less than telling where else they stand. In characters of JSON. */
const LONG = 64;

/** Leaves out what `unpack` puts back: names of all hosts, and long arguments that several stages have. */
export function pack(plan: Plan): PackedPlan {
  const counts = new Map<string, number>();
  for (const text of plan.stages.flatMap(({ args }) => namedArguments(args).map(([, value]) => JSON.stringify(value))))
    counts.set(text, (counts.get(text) ?? 0) + 1);
  const shared = [...counts].flatMap(([text, count]) => (count > 1 && text.length >= LONG ? [text] : []));
  const all = JSON.stringify(plan.hosts.map(({ name }) => name));
  const stages = plan.stages.map((stage) => {
    const { hosts, args, ...rest } = stage;
    const places = namedArguments(args).map(
      ([key, value]) => [key, value, shared.indexOf(JSON.stringify(value))] as const,
    );
    const same = places.flatMap(([key, , place]) => (place < 0 ? [] : [[key, place] as const]));
    const own = places.flatMap(([key, value, place]) => (place < 0 ? [[key, value] as const] : []));
    return {
      ...rest,
      ...(JSON.stringify(hosts) !== all && { hosts }),
      ...(same.length === 0 ? { args } : { args: Object.fromEntries(own), same: Object.fromEntries(same) }),
    };
  });
  return { ...plan, stages, shared: shared.map((text) => JSON.parse(text) as Json) };
}

/** The plan that was packed, or the same one if it was not. */
export function unpack({ shared = [], ...packed }: PackedPlan): Plan {
  const all = packed.hosts.map(({ name }) => name);
  const stages = packed.stages.map(({ same, hosts = all, ...stage }): Stage => {
    if (same === undefined) return { ...stage, hosts };
    const told = Object.entries(same).map(([key, place]) => [key, shared[place]!] as const);
    return { ...stage, hosts, args: Object.fromEntries([...namedArguments(stage.args), ...told]) };
  });
  return { ...packed, stages };
}
