import type * as z from 'zod';
import type { Extent, Facts, Gate, HostSpec, Json, Stage } from '../plan/plan.ts';
import type { Command, Output, Question, Script } from '../ssh/command.ts';

export type No = { readonly is: 'no'; readonly now: string; readonly wanted: string };

/** What a probe's answer means, and what other hosts may know of it. */
export type Verdict<Fact extends string = string> = (
  | { readonly is: 'yes' }
  | No
  | { readonly is: 'unknown'; readonly why: string }
) & {
  readonly facts?: Readonly<Partial<Record<Fact, string>>>;
};

type Table<Fact extends string> = Readonly<Record<Fact, Readonly<Record<string, string>>>>;

/** As a method, so that operations with different arguments fit into one list. */
interface Revert<Args> {
  revert(host: HostSpec, args: Args): Script;
}

/**
 * A state of a host, as pure functions: how to ask for it, what the answer means, how to bring it about, how to take it back.
 * They describe; the performer in `activities/` acts. So one round trip can ask many, and a dry run can show all.
 */
interface Common<Args, Fact extends string> {
  /** Facts of other hosts that it takes. Those of a host that the rollout does without are empty to a check. */
  readonly needs?: readonly Fact[];
  /** Facts that its verdicts carry: what needs them waits for it. Missing: whatever is named after its role. */
  readonly publishes?: readonly string[];
  /** Seconds, so it may share an activity with its neighbours. */
  readonly brief?: boolean;
  /** Milliseconds; two minutes unless told. A stage may say otherwise. */
  readonly timeout?: number;
  /** Milliseconds between two looks at a state that is waited for; two seconds unless told. */
  interval?(args: Args): number;
  /** It ceases to hold by itself as time passes: that it does not is no drift. */
  readonly fades?: true;
  /** Read-only. Exit codes of 126 and above mean `unknown`, never "no". */
  probe(host: HostSpec, args: Args, facts: Table<Fact>): Question;
  judge(output: Output, host: HostSpec, args: Args, facts: Table<Fact>): Verdict;
}

interface Change<Args, Fact extends string> extends Common<Args, Fact> {
  readonly kind?: 'change';
  /** `restore` puts back the files that `apply` saved. */
  readonly undo: 'restore' | Revert<Args>['revert'] | { readonly irreversible: string };
  /**
   * With `restore`: what follows once the files are back, such as a restart of the service that reads them.
   * Part of the same undo, hence of the same remote job. Must hold for files that are gone as well.
   */
  restored?(host: HostSpec, args: Args): Script;
  /** What serves on the host may be away while it is brought about: hosts go in such numbers as checks can spare. */
  readonly disrupts?: true;
  /** What the role serves on the host is away from then on, on purpose, until a later stage starts it: nobody waits for it. */
  readonly halts?: true;
  /** The key by which Farweave is let in on the host from then on; once this is undone, by another or by what was given. */
  admits?(args: Args): string;
  /** The host shows another key once it is brought about, or taken back: how to ask which one is in place (`SHA256:…`). */
  keyInPlace?(): Command;
  /** `false`: the way back ends with the rollout. Nothing of how it was before stays on the host, and a destroy leaves it. */
  readonly origin?: false;
  /** Milliseconds that the state may take to show after `apply` has ended; none unless told. */
  readonly settle?: number;
  apply(host: HostSpec, args: Args, verdict: No, facts: Table<Fact>): Script;
}

interface Check<Args, Fact extends string> extends Common<Args, Fact> {
  readonly kind: 'preflight' | 'check';
}

export type Behaviour<Args, Fact extends string> = Change<Args, Fact> | Check<Args, Fact>;

interface Named<Args> {
  /** `role.operation`: the activity's type, what the Web UI shows, what to search the code for. */
  readonly name: string;
  readonly args: z.ZodType<Args>;
  /** This operation as a stage of a plan. */
  over(hosts: readonly HostSpec[], title: string, args: Args, options?: StageOptions): Stage;
  /** This operation as what must hold before the next hosts go. */
  gate(args: Args, secrets?: readonly string[], timeout?: number): Gate;
}

export type Operation<Args = Json, Fact extends string = string> = Behaviour<Args, Fact> & Named<Args>;

export interface StageOptions {
  /** Names of the secrets that probes and scripts use. */
  readonly secrets?: readonly string[];
  /** Only where this rollout has changed something. */
  readonly afterChange?: true;
  /** What the operation says of itself, where it differs from stage to stage with its arguments. */
  readonly timeout?: number;
  readonly irreversible?: string;
  readonly disrupts?: true;
  readonly brief?: boolean;
  /** Of a check: how many of its hosts may be without it at once. Disruptive work of all roles keeps to it. */
  readonly spare?: number;
  /** With `spare`: what its hosts are asked before one of them is disturbed, and after. Missing: the check itself. */
  readonly guard?: Gate;
  /** A barrier; without one every host goes at its own pace. */
  readonly barrier?: Exclude<Extent, { readonly scope: 'host' }>;
}

const HOST_SCOPED: Extent = { scope: 'host' };

/** An operation, with `args` both the type its author sees and the check that an old plan's arguments pass. */
export function operation<Args extends Json, const Fact extends string = never>(
  name: `${string}.${string}`,
  args: z.ZodType<Args>,
  behaviour: Behaviour<Args, Fact>,
): Operation<Args, Fact> {
  const { kind = 'change', brief = false, timeout = 120_000, needs = [] } = behaviour;
  const traits: Pick<StageOptions, 'timeout' | 'irreversible' | 'disrupts'> & { halts?: true } = {
    ...('undo' in behaviour && typeof behaviour.undo === 'object' ? behaviour.undo : {}),
    ...('disrupts' in behaviour && behaviour.disrupts ? { disrupts: true } : {}),
    ...('halts' in behaviour && behaviour.halts ? { halts: true as const } : {}),
  };
  return {
    ...behaviour,
    name,
    args,
    over: (hosts, title, values, { barrier = HOST_SCOPED, secrets = [], ...options } = {}) => ({
      ...traits,
      ...barrier,
      timeout,
      brief,
      ...options,
      secrets,
      id: '', // given by the compiler, as is the lane
      lane: -1,
      title,
      operation: name,
      kind,
      hosts: hosts.map((host) => host.name),
      args: values,
      needs,
    }),
    gate: (values, secrets = [], patience = timeout) => ({ operation: name, args: values, secrets, timeout: patience }),
  };
}

/** What takes a change back once saved files are where they were; empty where that is all. None for what cannot be taken back. */
export function undoing(operation: Operation, host: HostSpec, args: Json): Script | undefined {
  if (!('undo' in operation)) return undefined;
  const { undo } = operation;
  if (undo === 'restore') return operation.restored?.(host, args) ?? { text: 'cd /' };
  return typeof undo === 'function' ? undo(host, args) : undefined;
}

export const yes = <Fact extends string>(facts?: Readonly<Record<Fact, string>>): Verdict => ({
  is: 'yes',
  ...(facts && { facts }),
});
export const no = (now: string, wanted: string): Verdict => ({ is: 'no', now, wanted });
export const unknown = (why: string): Verdict => ({ is: 'unknown', why });

/** Most judgements: is what stands there what is wanted? */
export const same = (now: string, wanted: string): Verdict => (now === wanted ? yes() : no(now || 'nothing', wanted));

/** How many of `hosts` hosts may be away while a majority goes on serving; of two, one. */
export const minority = (hosts: number): number => Math.max(1, Math.floor((hosts - 1) / 2));

/** The facts an operation asked for, each with a table even where nobody has published it yet. */
export function tables(needed: Pick<Operation, 'needs'>, facts: Facts): Facts {
  return Object.fromEntries((needed.needs ?? []).map((fact) => [fact, facts[fact] ?? {}]));
}
