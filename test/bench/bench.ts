import { join } from 'node:path';
import type { Bare, BareResult } from './bare.ts';
import type { Figure, Subject } from './figures.ts';
import type { Hosts, Place } from './hosts.ts';
import { program } from './program.ts';
import type { Stand } from './stand.ts';
import type { Step } from './work.ts';

/** What every part of the bench works with. */
export interface Bench {
  readonly hosts: Hosts;
  readonly stand: Stand;
  /** Numbers of hosts that the caller wants to see, in place of a part's own. */
  readonly sizes: readonly number[] | undefined;
  /** Which of the others are run too, by the beginnings of their names; `no` for none. Missing: all of them. */
  readonly rivals: string | undefined;
  /** A folder in memory for what a part writes. */
  readonly folder: string;
  readonly say: (line: string) => void;
  readonly record: (figure: Figure) => void;
  /** A number that no step has had yet, so that there is something to change. */
  readonly version: () => number;
}

/** A part by its letter; what it is about is told when it begins. */
export interface Part {
  readonly about: string;
  readonly run: (bench: Bench) => Promise<void>;
}

/** How often what is quick is measured. */
export const REPEATS = 3;
export const repeatsFor = (hosts: number): number => (hosts > 100 ? 1 : REPEATS);

/** Collects runs of several figures that are measured in turns, so that what disturbs one disturbs the others too. */
export class Tally {
  readonly #bench: Pick<Bench, 'say' | 'record'>;
  readonly #part: string;
  readonly #hosts: number;
  readonly #runs = new Map<string, Figure>();

  constructor(bench: Pick<Bench, 'say' | 'record'>, part: string, hosts: number) {
    this.#bench = bench;
    this.#part = part;
    this.#hosts = hosts;
  }

  add(subject: Subject, work: string, value: number, unit = 's'): void {
    const key = `${subject}|${work}`;
    const runs = [...(this.#runs.get(key)?.runs ?? []), value];
    this.#runs.set(key, { part: this.#part, subject, work, hosts: this.#hosts, unit, runs });
    this.#bench.say(`  ${subject}, ${work}, ${this.#hosts} hosts: ${Number(value.toPrecision(3))} ${unit}`);
    this.#bench.record(this.#runs.get(key)!);
  }
}

/** Seconds of a bare ssh2 script. Rejects where any of its commands fails. */
export async function bare(bench: Bench, hosts: readonly Place[], commands: readonly string[]): Promise<number> {
  const input = JSON.stringify({ hosts, key: bench.hosts.key, commands } satisfies Bare);
  const output = await program(process.execPath, [join(import.meta.dirname, 'bare.ts')], { input });
  const { seconds, failed } = JSON.parse(output) as BareResult;
  if (failed > 0) throw new Error(`${failed} commands of the bare script have failed`);
  return seconds;
}

/** Throws unless every host has every file as its step wants it: who does not do the work has no time. */
export function proveDone({ hosts }: Bench, places: readonly Place[], steps: readonly Step[], by: Subject): void {
  for (const host of places)
    for (const { path, line } of steps) {
      const text = hosts.read(host, path);
      if (text !== `${line}\n`) throw new Error(`After ${by}, ${path} on ${host.name} holds ${JSON.stringify(text)}`);
    }
}
