import { parse } from 'yaml';
import type { Cluster } from '../../src/spec/cluster.ts';
import { parseCluster } from '../../src/spec/parse.ts';
import { dotted, SpecError } from '../../src/spec/problem.ts';
import { CANARY } from './hostile.ts';

type Path = readonly (string | number)[];

/** A text of a spec, or a key of one of its tables, that was replaced. */
export interface Planted {
  /** Where it stands, `roles.container.web.command[0]`. */
  readonly at: string;
  /** Stands in the value once, and nowhere else. */
  readonly token: string;
  readonly value: string;
}

interface Plants {
  readonly cluster: Cluster;
  readonly planted: readonly Planted[];
}

/** Tables whose keys somebody chose; those of sites, hosts and services are names that other places refer to. */
const TABLES = /\.(?:env|files|volumes|labels|settings|records|endpoints|logs)$/;
/** Names by which one place of a spec refers to another; and what a script runs, which is shell text and meant to be run. */
const LEFT_ALONE = [
  /^hosts\[\d+\]\.(?:name|site)$/,
  /\.(?:hosts|sites)\[\d+\]$/,
  /\.(?:after|labels\.disk|labels\.nodebb\.front|version|featureCompatibility)$/,
  /^roles\.script\.[^.]+\.(?:check|apply|undo)$/,
];

/** From the worst to the mildest: a field gets the first that its schema takes. */
const milder: readonly ((before: string, token: string, hostile: string) => string)[] = [
  (before, token, hostile) => `${before}${hostile}${token}${hostile}`,
  (before, token, hostile) => `${hostile}${token}${hostile}${before}`,
  (before, token, hostile) => `${before}${hostile.replaceAll(/\p{C}/gu, '')}${token}`,
  (before, token) => `${before}'";$(${CANARY})\`${CANARY}\`${token}`,
  (before, token) => `${before}$(${CANARY})${token}`,
  (before, token) => `/${token}$(${CANARY});'"&|<>\`${CANARY}\``,
  (before, token) => `${before}&'$${token}`,
  (before, token) => `-${token}`,
  (before, token) => `${before}-${token}`,
  (before, token) => `${before}${token}`,
];

/**
 * A cluster in which every text that may be anything is hostile, and the others as bad as their fields allow; or every key
 * that somebody chooses. Not both at once, since what is refused of a key is said of its value's place.
 */
export function planted(text: string, hostile: string, what: 'texts' | 'keys'): Plants {
  const root: unknown = parse(text);
  /** Place → how mild it has become; beyond the mildest it is what it was. */
  const mildness = new Map<string, number>();
  for (;;) {
    const all = new Map<string, Planted & { readonly slot: string }>();
    const plant = (slot: string, before: string, at: (value: string) => string) => {
      const form = milder[mildness.get(slot) ?? 0];
      if (!form) return before;
      const token = `zq${all.size}qz`;
      const value = form(before, token, hostile);
      all.set(slot, { at: at(value), token, value, slot });
      return value;
    };
    const rebuilt = (value: unknown, slot: Path, path: Path): unknown => {
      if (typeof value === 'string') {
        const at = dotted(path);
        return what === 'keys' || isLeft(at) ? value : plant(dotted(slot), value, () => at);
      }
      if (Array.isArray(value)) return value.map((item, n) => rebuilt(item, [...slot, n], [...path, n]));
      if (typeof value !== 'object' || value === null) return value;
      const isTable = what === 'keys' && TABLES.test(dotted(path));
      return Object.fromEntries(
        Object.entries(value).map(([key, inside]) => {
          const own = [...slot, key];
          const name =
            isTable && !isLeft(dotted(own))
              ? plant(`${dotted(own)} (key)`, key, (changed) => dotted([...path, changed]))
              : key;
          return [name, rebuilt(inside, own, [...path, name])];
        }),
      );
    };
    const source = JSON.stringify(rebuilt(root, [], []));
    try {
      return { cluster: parseCluster(source, { file: 'cluster.yaml' }).cluster, planted: [...all.values()] };
    } catch (error) {
      if (!(error instanceof SpecError)) throw error;
      const wrong = error.problems.filter(({ severity }) => severity === 'error').map(({ path }) => path);
      const near = (paths: readonly string[]) =>
        [...all.values()].filter(({ at }) => paths.some((path) => at.startsWith(path) || path.startsWith(at)));
      // What is wrong between two fields is said of one of them.
      const refused = near(wrong).length > 0 ? near(wrong) : near(wrong.map((path) => path.replace(/[.[][^.[]*$/, '')));
      if (refused.length === 0) throw error;
      for (const { slot } of refused) mildness.set(slot, (mildness.get(slot) ?? 0) + 1);
    }
  }
}

function isLeft(at: string): boolean {
  return LEFT_ALONE.some((left) => left.test(at));
}
