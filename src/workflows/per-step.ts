/** stage id → host → value. */
export type Record2<Value> = Readonly<Record<string, Readonly<Record<string, Value>>>>;

/** A value for each step, that is for a stage on a host. */
export class PerStep<Value> {
  readonly #stages = new Map<string, Map<string, Value>>();
  readonly #counts = new Map<Value, number>();

  constructor(from: Record2<Value> = {}) {
    this.add(from);
  }

  get(stage: string, host: string): Value | undefined {
    return this.#stages.get(stage)?.get(host);
  }

  set(stage: string, host: string, value: Value): void {
    const hosts = this.#stages.get(stage) ?? new Map<string, Value>();
    this.#recount(hosts.get(host), value);
    this.#stages.set(stage, hosts.set(host, value));
  }

  delete(stage: string, host?: string): void {
    const hosts = this.#stages.get(stage);
    if (host === undefined) {
      for (const value of hosts?.values() ?? []) this.#recount(value, undefined);
      this.#stages.delete(stage);
    } else {
      this.#recount(hosts?.get(host), undefined);
      hosts?.delete(host);
    }
  }

  /** How many steps have this value. Kept, since it is asked for at every step. */
  count(value: Value): number {
    return this.#counts.get(value) ?? 0;
  }

  #recount(before: Value | undefined, after: Value | undefined): void {
    if (before !== undefined) this.#counts.set(before, this.count(before) - 1);
    if (after !== undefined) this.#counts.set(after, this.count(after) + 1);
  }

  add(more: Record2<Value>): void {
    for (const [stage, hosts] of Object.entries(more))
      for (const [host, value] of Object.entries(hosts)) this.set(stage, host, value);
  }

  *[Symbol.iterator](): Generator<readonly [stage: string, host: string, value: Value]> {
    for (const [stage, hosts] of this.#stages) for (const [host, value] of hosts) yield [stage, host, value];
  }

  /** Of some stages, in their order, and some hosts. */
  part(stages: readonly string[], hosts: ReadonlySet<string>): PerStep<Value> {
    const some = new PerStep<Value>();
    for (const stage of stages) {
      const all = this.#stages.get(stage);
      for (const host of all ? hosts : []) {
        const value = all?.get(host);
        if (value !== undefined) some.set(stage, host, value);
      }
    }
    return some;
  }

  toRecord(): Record2<Value> {
    const filled = [...this.#stages].filter(([, hosts]) => hosts.size > 0);
    return Object.fromEntries(filled.map(([stage, hosts]) => [stage, Object.fromEntries(hosts)]));
  }
}

/** A set of steps is one that knows only true; it travels as the names of hosts. */
export type Places = Readonly<Record<string, readonly string[]>>;

export function fromPlaces(places: Places): Record2<true> {
  const hosts = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, true] as const));
  return Object.fromEntries(Object.entries(places).map(([stage, names]) => [stage, hosts(names)]));
}

export function toPlaces(steps: PerStep<true>): Places {
  return Object.fromEntries(Object.entries(steps.toRecord()).map(([stage, hosts]) => [stage, Object.keys(hosts)]));
}
