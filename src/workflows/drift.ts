import {
  getExternalWorkflowHandle,
  proxyActivities,
  startChild,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { AskWorkflow } from '../activities/contract.ts';
import { type Packed, unpack } from '../plan/pack.ts';
import { groups } from '../plan/plan.ts';
import { Account } from './account.ts';
import { failureOf } from './activity.ts';
import {
  clusterId,
  type Difference,
  type DriftInput,
  type DriftResult,
  driftSignal,
  type Ground,
  groundQuery,
  type Measure,
  measureQuery,
} from './contract.ts';
import { type Found, foundOn, summaryOf, unanswered, weighed } from './differences.ts';
import { blank, factsOf } from './ledger.ts';
import { attributes, detail } from './report.ts';
import { Sites } from './sites.ts';
import { patiently } from './survey.ts';
import { looks } from './together.ts';

const { 'workflow.ask': ask } = proxyActivities<{ 'workflow.ask': AskWorkflow }>({
  summary: 'ask the cluster what it is measured by',
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '5 minutes',
});

/** Hosts a workflow, as for a look. */
const ASKED = 25;
/** Differences that are told one by one, and those of one host. */
const TOLD = 500;
const OF_ONE = 12;

/** Who asks where nobody does. */
const SCHEDULE = 'the drift schedule';

/** What of the cluster is not as its last apply has made it. Asks every host, changes nothing, and tells the cluster. */
export async function drift({ cluster, by = SCHEDULE }: DriftInput): Promise<DriftResult> {
  upsertSearchAttributes(attributes({ cluster }));
  const measure = await measured(cluster);
  if ('skipped' in measure) return skipped(cluster, measure.skipped);
  const { revision, digest, since, hosts, parked } = measure;
  const asked = hosts.filter((host) => parked[host] === undefined);
  const parts = await Promise.all(
    groups(ASKED, asked).map((some, n, all) => inPart({ cluster, digest, hosts: some }, n, all)),
  );
  const settled = new Set(parts.flatMap((part) => part.settled));
  const all = weighed(hosts, parts.flatMap(({ found }) => found), settled, parked); // biome-ignore format: one call
  // What a rollout is just changing is no drift.
  const after = await measured(cluster);
  if ('skipped' in after) return skipped(cluster, after.skipped);
  if (after.since !== since) return skipped(cluster, `revision ${after.since} has begun meanwhile`);

  const summary = summaryOf(all, revision, new Date().toISOString());
  await getExternalWorkflowHandle(clusterId(cluster)).signal(driftSignal, { drift: summary, since, by });
  const told = bounded(all);
  upsertSearchAttributes(attributes({ state: summary.clean ? 'clean' : 'drifted' }));
  detail(`${cluster}: ${summary.clean ? 'no drift' : 'drift'}`, told.map(line), []);
  return {
    cluster,
    revision,
    digest,
    asked: asked.length,
    differences: told,
    ...(told.length < all.length && { more: all.length - told.length }),
    clean: summary.clean,
  };
}

export interface PartInput {
  readonly cluster: string;
  readonly digest: string;
  readonly hosts: readonly string[];
}

export interface PartResult {
  readonly found: readonly Found[];
  /** Ids of stages for one host that one of these has. */
  readonly settled: readonly string[];
}

/** Some hosts of a cluster, each asked once; once more if it does not answer. */
export async function driftPart({ cluster, digest, hosts }: PartInput): Promise<PartResult> {
  const ground = (await ask({
    workflowId: clusterId(cluster),
    query: groundQuery.name,
    args: [digest],
  })) as Packed<Ground> | null;
  if (ground === null) return { found: [], settled: [] };
  const { plan: packed, sealed, parked, owner: id } = ground;
  const plan = unpack(packed);
  const facts = factsOf(plan.hosts, ground.facts);
  const account = new Account({ ...blank(facts), parked });
  // Who asks does not matter: a marker is only compared with the id.
  const owner = id === undefined ? {} : { owner: { id, cluster, by: '', since: '' } };
  const whole = new Sites({ plan, sealed, facts, revision: 0, ...owner }, account);
  const input = whole.input(whole.stages().filter((stage) => stage.afterChange !== true));
  const needed = new Set(plan.stages.flatMap((stage) => stage.needs));
  const settled = new Set<string>();
  const asked = plan.hosts.filter(({ name }) => hosts.includes(name));
  const first = looks(input, account, asked, input.stages);
  const found = await Promise.all(
    asked.map(async (host) => {
      const stages = input.stages.filter((stage) => stage.hosts.includes(host.name));
      try {
        const { findings } = await patiently(input, account, { host, stages }, first.get(host.name));
        return foundOn(host.name, stages, findings, { facts, needed, settled });
      } catch (error) {
        return [unanswered({ host: host.name, ...failureOf(error, `look at ${host.name}`) })];
      }
    }),
  );
  return { found: found.flat(), settled: [...settled] };
}

/** A few hosts at once need no workflow of their own. */
async function inPart(input: PartInput, n: number, { length }: { readonly length: number }): Promise<PartResult> {
  if (length === 1) return driftPart(input);
  const child = await startChild<typeof driftPart>('driftPart', {
    workflowId: `${workflowInfo().workflowId}:${n + 1}`,
    args: [input],
    staticSummary: `what differs on ${input.hosts.length} hosts of ${input.cluster}`,
    typedSearchAttributes: attributes({ cluster: input.cluster }),
  });
  return child.result();
}

async function measured(cluster: string): Promise<Measure> {
  return (await ask({ workflowId: clusterId(cluster), query: measureQuery.name, args: [] })) as Measure;
}

function skipped(cluster: string, why: string): DriftResult {
  detail(`${cluster}: nobody was asked`, [why], []);
  return { cluster, skipped: why, asked: 0, differences: [], clean: false };
}

/** A host that has nothing of what it should have is told of in a few lines. */
function bounded(all: readonly Difference[]): readonly Difference[] {
  return [...Map.groupBy(all, ({ host }) => host).values()].flatMap((own) => own.slice(0, OF_ONE)).slice(0, TOLD);
}

function line({ host, operation, now, wanted, act, todo }: Difference): string {
  return `- **${host}**${operation === undefined ? '' : ` ${operation}`}: ${now}, not ${wanted} (${act}: ${todo})`;
}
