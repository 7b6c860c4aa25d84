import { exec } from '../../src/lab/index.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { keyOf } from '../../src/ssh/key.ts';
import type { Steps } from '../../src/workflows/contract.ts';

/** What the chaos keeps on a host: no folder of the product's. */
export const FOLDER = '/var/lib/chaos';

/**
 * Stands before the program that begins every script of a job, and puts down each beginning: the host counts, not the
 * product. What it cannot see is a script that something else began, so a step that is done wants a line here too.
 */
const WITNESS = String.raw`#!/bin/sh
if [ -n "$FARWEAVE_JOB" ] && [ "$1 $2" = '/bin/sh /dev/fd/9' ]; then
  echo "$FARWEAVE_JOB $(date +%s.%N)" >>/var/lib/chaos/starts
fi
exec /usr/bin/setsid "$@"
`;
const PLACE = '/usr/local/sbin/setsid';

/** A rollout as the audit must know it. */
export interface Audited {
  /** Run id of its first execution. */
  readonly runId: string;
  readonly plan: Plan;
  readonly steps: Steps;
}

/** What the hosts have counted since a mark. */
export interface Audit {
  /** Scripts that began. */
  readonly started: number;
  /** Jobs whose script began more than once. */
  readonly twice: readonly string[];
  /** Steps that are said to be done, and no script ever began of theirs, or of one in the same lane: those share scripts. */
  readonly missing: readonly string[];
  /** Beginnings that no step of any rollout explains. */
  readonly unexplained: readonly string[];
  /** Further attempts of a step, each under a generation of its own. */
  readonly again: readonly string[];
  /** How the scripts ended that did not end with `exit 0`: `vm1 03-system.prerequisites apply: killed`. */
  readonly ends: readonly string[];
}

/** Line numbers by host. */
export type Mark = Readonly<Record<string, number>>;

export async function install(hosts: readonly string[]): Promise<void> {
  await Promise.all(hosts.map((host) => putProgram(host, PLACE, WITNESS)));
}

export async function remove(hosts: readonly string[]): Promise<void> {
  await Promise.all(hosts.map((host) => exec(host, ['rm', '-rf', PLACE, FOLDER])));
}

/** Puts a program on a host, whole or not at all. */
export async function putProgram(host: string, path: string, text: string): Promise<void> {
  const put = `mkdir -p ${FOLDER} && touch ${FOLDER}/starts && cat >${path}.new && chmod 0755 ${path}.new && mv -f ${path}.new ${path}`;
  const { exitCode, stderr } = await exec(host, ['sh', '-c', put], { stdin: text });
  if (exitCode !== 0) throw new Error(`${path} cannot be put on ${host}: ${stderr}`);
}

export async function mark(hosts: readonly string[]): Promise<Mark> {
  const entries = hosts.map(async (host) => [host, (await beginnings(host)).length] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** Compares what the hosts have counted since the mark with what the rollouts say they did. */
export async function audit(hosts: readonly string[], since: Mark, rollouts: readonly Audited[]): Promise<Audit> {
  const jobs = new Map(rollouts.flatMap((rollout) => jobsOf(rollout)).map((job) => [job.key, job]));
  const counted = await Promise.all(
    hosts.map(async (host) => ({ host, keys: (await beginnings(host)).slice(since[host] ?? 0) })),
  );
  const seen = new Map<string, number>();
  for (const { keys } of counted) for (const key of keys) seen.set(key, (seen.get(key) ?? 0) + 1);
  const nameOf = (key: string) => jobs.get(key)?.name ?? key;
  const known = [...seen.keys()].flatMap((key) => jobs.get(key) ?? []);
  const begun = new Set(known.filter(({ purpose }) => purpose !== 'undo').map(({ lane }) => lane));
  return {
    started: counted.reduce((sum, { keys }) => sum + keys.length, 0),
    twice: [...seen].filter(([, times]) => times > 1).map(([key, times]) => `${nameOf(key)}: ${times} times`),
    missing: rollouts.flatMap(doneSteps).flatMap(({ step, lane }) => (begun.has(lane) ? [] : [step])),
    unexplained: counted.flatMap(({ host, keys }) =>
      keys.filter((key) => !jobs.has(key)).map((key) => `${host} ${key}`),
    ),
    again: known.filter(({ generation }) => generation > 0).map(({ name }) => name),
    ends: (await Promise.all(counted.map(({ host, keys }) => endsOf(host, keys, nameOf)))).flat(),
  };
}

interface AuditedJob {
  readonly key: string;
  /** `<run id> <host> <lane>` */
  readonly lane: string;
  readonly name: string;
  readonly purpose: 'apply' | 'guess' | 'undo';
  readonly generation: number;
}

/** More than any row asks for. */
const GENERATIONS = 20;

function jobsOf({ runId, plan }: Audited): readonly AuditedJob[] {
  return plan.stages
    .filter(({ kind }) => kind === 'change')
    .flatMap(({ id, lane, hosts }) =>
      hosts.flatMap((host) =>
        (['apply', 'guess', 'undo'] as const).flatMap((purpose) =>
          Array.from({ length: GENERATIONS }, (_, generation) => ({
            key: keyOf({ rollout: runId, step: id, host, generation, purpose }),
            lane: `${runId} ${host} ${lane}`,
            name: `${host} ${id} ${purpose}${generation > 0 ? `, attempt ${generation + 1}` : ''}`,
            purpose,
            generation,
          })),
        ),
      ),
    );
}

function doneSteps({ runId, plan, steps }: Audited): readonly { readonly step: string; readonly lane: string }[] {
  return plan.stages
    .filter(({ kind }) => kind === 'change')
    .flatMap(({ id, lane, hosts }) =>
      hosts
        .filter((host) => steps[id]?.[host] === 'done')
        .map((host) => ({ step: `${runId} ${host} ${id}`, lane: `${runId} ${host} ${lane}` })),
    );
}

/** Keys of the jobs whose scripts began on a host, in order. */
async function beginnings(host: string): Promise<readonly string[]> {
  const { stdout } = await exec(host, ['cat', `${FOLDER}/starts`]);
  return stdout.split('\n').flatMap((line) => line.split(' ')[0] || []);
}

async function endsOf(
  host: string,
  keys: readonly string[],
  nameOf: (key: string) => string,
): Promise<readonly string[]> {
  // A rollout that is settled may have taken its folders away: those of jobs that had all ended.
  const look = `cd /var/lib/farweave/jobs && for key in ${keys.join(' ')}; do
    [ ! -d "$key" ] || { end=$(head -n 1 "$key/status" | sed 's/ log=.*//'); echo "$key \${end:-lost}"; }
  done`;
  const { stdout } = await exec(host, ['sh', '-c', look]);
  return stdout
    .split('\n')
    .map((line) => [line.slice(0, 32), line.slice(33).trim()] as const)
    .filter(([key, end]) => key !== '' && end !== 'exit 0')
    .map(([key, end]) => `${nameOf(key)}: ${end}`);
}
